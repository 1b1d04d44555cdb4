//! Properties of the order of services, for any needs and outcomes.

use pipulate_core::reason::Reason;
use proptest::prelude::*;

use super::*;

/// Services, each of which may need those before it.
fn any_config() -> impl Strategy<Value = (Config, Vec<ServiceName>)> {
    prop::collection::vec(any::<u8>(), 1..9).prop_flat_map(|needs| {
        let name = |index: usize| format!("s{index}");
        let table = |(index, bits): (usize, &u8)| {
            let needed = (0..index).filter(|before| bits & (1 << before) != 0);
            let needed: Vec<String> = needed.map(|before| format!("{:?}", name(before))).collect();
            format!("[services.{}]\ncommand = [\"w\"]\ndepends_on = [{}]\n", name(index), needed.join(", "))
        };
        let text: String = needs.iter().enumerate().map(table).collect();
        let names: Vec<ServiceName> =
            (0..needs.len()).map(|index| ServiceName::parse(&name(index)).unwrap()).collect();
        let count = names.len();
        (Just(Config::parse(&text).unwrap()), prop::sample::subsequence(names, 1..=count))
    })
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop::sample::select(vec![
        Outcome::Begun,
        Outcome::TimedOut,
        Outcome::StartWithdrawn,
        Outcome::Refused(Box::new(Reason::SupervisorRestless)),
    ])
}

/// Returns every turn, with outcomes for the handled services. Skipped ones have the need that is down.
fn turns(mut schedule: Schedule, outcomes: &[Outcome]) -> (Vec<Turn>, Outcomes) {
    let (mut turns, mut settled) = (Vec::new(), Outcomes::new());
    let mut outcomes = outcomes.iter().cycle();
    while let Some(turn) = schedule.next(&settled) {
        settled.extend(turn.services.iter().cloned().zip(outcomes.by_ref().cloned()));
        let unmet = turn.unmet.iter().cloned();
        settled.extend(unmet.map(|(service, needed)| (service, Outcome::Unmet { needed })));
        turns.push(turn);
    }
    (turns, settled)
}

/// Returns the index of the turn in which a service is handled, or skipped.
fn turn_of(turns: &[Turn], service: &ServiceName) -> usize {
    let holds =
        |turn: &Turn| turn.services.contains(service) || turn.unmet.iter().any(|(unmet, _)| unmet == service);
    turns.iter().position(holds).unwrap()
}

fn is_each_once(turns: &[Turn], services: &[ServiceName]) -> bool {
    let unmet = turns.iter().flat_map(|turn| turn.unmet.iter().map(|(service, _)| service));
    let mut handled: Vec<_> = turns.iter().flat_map(|turn| &turn.services).chain(unmet).collect();
    handled.sort();
    handled.into_iter().eq(services)
}

fn needs_of<'a>(config: &'a Config, service: &ServiceName) -> &'a [ServiceName] {
    &config.service(service.as_str()).unwrap().depends_on
}

proptest! {
    #[test]
    fn every_service_is_started_once_after_what_it_needs_unless_that_is_down(
        (config, services) in any_config(), outcomes in prop::collection::vec(any_outcome(), 1..9)
    ) {
        let (turns, settled) = turns(Schedule::of_start(&config, &services), &outcomes);
        prop_assert!(is_each_once(&turns, &services), "{turns:?}");
        for (service, outcome) in &settled {
            let needs = needs_of(&config, service).iter().filter(|needed| services.contains(needed));
            let mut is_down = false;
            for needed in needs {
                prop_assert!(turn_of(&turns, needed) < turn_of(&turns, service), "{turns:?}");
                is_down |= settled.iter().any(|(other, outcome)| other == needed && super::is_down(outcome, true));
            }
            prop_assert_eq!(matches!(outcome, Outcome::Unmet { .. }), is_down, "{:?}", settled);
        }
    }

    #[test]
    fn every_service_is_stopped_once_before_what_it_needs_and_this_programs_own_last(
        (config, services) in any_config(), own in prop::option::of(0_usize..9), recorded in any::<u8>()
    ) {
        let own = own.and_then(|index| services.get(index));
        let known = services.iter().enumerate().filter(|(index, _)| recorded & (1 << index) != 0);
        let known: BTreeSet<ServiceName> = known.map(|(_, service)| service.clone()).collect();
        let schedule = Schedule::of_stop(Some(&config), &services, &known, own);
        let (turns, _) = turns(schedule, &[Outcome::AlreadyStopped]);
        prop_assert!(is_each_once(&turns, &services), "{turns:?}");
        for service in services.iter().filter(|service| known.contains(service) && own != Some(service)) {
            for needed in needs_of(&config, service).iter().filter(|needed| known.contains(needed)) {
                prop_assert!(turn_of(&turns, service) < turn_of(&turns, needed), "{turns:?}");
            }
        }
        if let Some(own) = own {
            prop_assert_eq!(&turns.last().unwrap().services, std::slice::from_ref(own));
        }
    }

    #[test]
    fn this_programs_own_service_is_restarted_alone_and_last(
        (config, services) in any_config(), own in 0_usize..9
    ) {
        prop_assume!(own < services.len());
        let (turns, _) = turns(Schedule::of_restart(&config, &services, Some(&services[own])), &[Outcome::Begun]);
        prop_assert!(is_each_once(&turns, &services), "{turns:?}");
        prop_assert_eq!(&turns.last().unwrap().services, std::slice::from_ref(&services[own]));
    }
}
