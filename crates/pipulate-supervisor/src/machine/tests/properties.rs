//! Properties that hold for any events in any order: the machine against a world that obeys the laws of
//! processes, and is random otherwise.

use proptest::prelude::*;

use super::*;

/// A service's processes, as far as the machine can observe them.
#[derive(Debug, Clone, Default)]
struct World {
    main: bool,
    /// Processes of its group, or of its tree, are left.
    others: bool,
    /// It exited successfully, and other processes live on outside its group.
    background: bool,
}

/// A random event, if it is possible now.
#[derive(Debug, Clone)]
enum Chance {
    Answer,
    Death(End),
    OthersEnd,
    /// The group ends, and other processes live on.
    GroupEnds,
    PortLost,
    SpawnFails,
    Stop,
    WantStop,
    RenewFails,
    Restart,
    Save,
    Time(u64),
}

fn chance() -> impl Strategy<Value = Chance> {
    prop_oneof![
        Just(Chance::Answer),
        (0..3).prop_map(|code| Chance::Death(End::Code(code))),
        Just(Chance::Death(End::Signal(9))),
        Just(Chance::OthersEnd),
        Just(Chance::GroupEnds),
        Just(Chance::PortLost),
        Just(Chance::SpawnFails),
        Just(Chance::Stop),
        Just(Chance::WantStop),
        Just(Chance::RenewFails),
        Just(Chance::Restart),
        Just(Chance::Save),
        (0_u64..40_000).prop_map(Chance::Time),
    ]
}

fn unasked() -> impl Strategy<Value = Chance> {
    chance().prop_filter("asked for", |chance| {
        !matches!(chance, Chance::Stop | Chance::WantStop | Chance::Restart | Chance::Save)
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    let restart =
        prop_oneof![Just(RestartPolicy::Always), Just(RestartPolicy::OnFailure), Just(RestartPolicy::Never)];
    let timeout = prop::option::of((0_u64..100_000).prop_map(Duration::from_millis));
    (restart, timeout).prop_map(|(restart, ready_timeout)| Policy { restart, ready_timeout, ..POLICY })
}

/// A machine in its world, and its actions so far.
struct Life {
    machine: Machine,
    world: World,
    now: Instant,
    done: Vec<Action>,
    /// The next renewal finds no program.
    renew_fails: bool,
}

impl Life {
    fn begin(policy: Policy, seed: u64, now: Instant) -> Self {
        let machine = Machine::new(policy, seed, now);
        let mut life = Self { machine, world: World::default(), now, done: Vec::new(), renew_fails: false };
        life.tell(Event::Tick, false);
        life
    }

    /// Passes an event to the machine, and applies its action to the world.
    fn tell(&mut self, event: Event, spawn_fails: bool) {
        let action = self.machine.on_event(event, self.now);
        self.done.push(action);
        match action {
            Action::Nothing | Action::AskMain | Action::EndGroup { force: false } => {}
            Action::EndTree { force: false } => {}
            Action::Spawn => {
                self.assert_nothing_runs();
                if spawn_fails {
                    return self.tell(Event::SpawnFailed { why: Reason::told("no") }, false);
                }
                self.world = World { main: true, others: true, background: false };
                self.tell(Event::Spawned, false);
            }
            Action::Renew => {
                self.assert_nothing_runs();
                if std::mem::take(&mut self.renew_fails) {
                    self.tell(Event::SpawnFailed { why: Reason::told("no program") }, false);
                    let has_ended = matches!(self.machine.phase(), Phase::Ended(_));
                    assert!(has_ended, "it would try for ever: {:?}", self.machine);
                    return;
                }
                // The next program in this process begins like this.
                self.machine = Machine::new(self.machine.policy, 7, self.now);
                self.tell(Event::Tick, spawn_fails);
            }
            Action::KillMain => {
                self.world.main = false;
                self.tell(Event::MainEnded(End::Signal(9)), false);
            }
            Action::EndGroup { force: true } | Action::EndTree { force: true } => {
                self.world.others = false;
                self.world.background &= matches!(action, Action::EndGroup { .. });
                self.tell(Event::TreeEmpty, false);
                self.tell(Event::GroupEmpty, false);
            }
        }
    }

    fn assert_nothing_runs(&self) {
        let World { main, others, background } = self.world;
        assert!(!main && !others && !background, "two of one service: {:?}", self.machine);
    }

    fn has_remains(&self) -> bool {
        !self.world.main && (self.world.others || self.world.background)
    }

    fn meet(&mut self, chance: Chance) {
        match chance {
            Chance::Answer if self.world.main => self.tell(Event::Answered, false),
            Chance::Death(end) if self.world.main => {
                self.world.main = false;
                self.tell(Event::MainEnded(end), false);
            }
            Chance::OthersEnd | Chance::PortLost if self.has_remains() => {
                (self.world.others, self.world.background) = (false, false);
                match (self.machine.phase(), chance) {
                    (Phase::Clearing { .. }, Chance::PortLost) => {
                        self.tell(Event::PortLost { why: Reason::PortLost { port: 7 } }, false)
                    }
                    (Phase::Clearing { .. } | Phase::Background { .. }, _) => {
                        self.tell(Event::GroupEmpty, false);
                    }
                    (_, _) => self.tell(Event::TreeEmpty, false),
                }
            }
            Chance::GroupEnds if self.has_remains() => {
                if let Phase::Clearing { end, .. } = *self.machine.phase() {
                    (self.world.others, self.world.background) = (false, end.success());
                    self.tell(Event::LeftOthers, false);
                }
            }
            Chance::Answer | Chance::Death(_) | Chance::OthersEnd | Chance::GroupEnds | Chance::PortLost => {}
            Chance::SpawnFails => self.tell(Event::Tick, true),
            Chance::Stop => self.tell(Event::StopRequested, false),
            Chance::WantStop => self.tell(Event::StopWanted, false),
            Chance::RenewFails => self.renew_fails = true,
            Chance::Restart => self.tell(Event::RestartRequested, false),
            Chance::Save => self.tell(Event::Saved, false),
            Chance::Time(millis) => {
                self.now += Duration::from_millis(millis);
                self.tell(Event::Tick, false);
            }
        }
    }
}

/// Returns the event that ends a phase which may have no deadline.
fn ended_by(phase: &Phase) -> Option<&'static str> {
    match phase {
        Phase::Starting { .. } => Some("its answer, or its end"),
        Phase::Up { .. } => Some("its end"),
        Phase::Background { .. } => Some("the end of what lives on, which the driver watches"),
        Phase::Ended(_) => Some("a request, or a save"),
        Phase::Waiting { .. } | Phase::Clearing { .. } | Phase::Stopping { .. } | Phase::Sweeping { .. } => {
            None
        }
    }
}

fn chances() -> impl Strategy<Value = Vec<Chance>> {
    prop::collection::vec(chance(), 0..80)
}

proptest! {
    /// Whatever happens, a second instance never runs beside the first: [`Life::tell`] asserts it.
    #[test]
    fn a_new_instance_never_overlaps_the_old(policy in policy(), seed: u64, chances in chances()) {
        let mut life = Life::begin(policy, seed, Instant::now());
        for chance in chances {
            life.meet(chance);
        }
    }

    /// Without a request, only the group of a dead main process is ever ended.
    #[test]
    fn nothing_ends_a_tree_by_itself(policy in policy(), chances in prop::collection::vec(unasked(), 0..80)) {
        let mut life = Life::begin(policy, 7, Instant::now());
        for chance in chances {
            life.meet(chance);
        }
        let ends = |action: &Action| {
            matches!(action, Action::EndTree { .. } | Action::AskMain | Action::KillMain | Action::Renew)
        };
        prop_assert!(!life.done.iter().any(ends), "{:?}", life.done);
    }

    /// Between two deadlines, time alone has no effect.
    #[test]
    fn nothing_is_done_without_a_cause(policy in policy(), chances in chances(), millis in 0_u64..10_000) {
        let mut life = Life::begin(policy, 7, Instant::now());
        for chance in chances {
            life.meet(chance);
            let later = life.now + Duration::from_millis(millis);
            let early = life.machine.next_deadline().is_none_or(|deadline| later < deadline);
            if early {
                let before = life.machine.phase().clone();
                prop_assert_eq!(life.machine.on_event(Event::Tick, later), Action::Nothing);
                prop_assert_eq!(&before, life.machine.phase());
            }
        }
    }

    /// From every phase a stop leads to the end, within its time limit, whatever happens in between: nothing
    /// is started any more.
    #[test]
    fn a_stop_wins_from_every_phase(policy in policy(), before in chances(), after in chances()) {
        let mut life = Life::begin(policy, 7, Instant::now());
        for chance in before {
            life.meet(chance);
        }
        life.done.clear();
        life.meet(Chance::Stop);
        for chance in after.into_iter().filter(|chance| !matches!(chance, Chance::Restart)) {
            life.meet(chance);
        }
        while let Some(deadline) = life.machine.next_deadline() {
            life.now = life.now.max(deadline);
            life.tell(Event::Tick, false);
        }
        prop_assert_eq!(life.machine.phase(), &Phase::Ended(Outcome::Stopped));
        prop_assert!(!life.done.iter().any(|action| matches!(action, Action::Spawn | Action::Renew)), "{:?}", life.done);
    }

    /// Even if no action has an effect, a stop is over in bounded time.
    #[test]
    fn a_stop_ends_even_if_nothing_can_be_ended(policy in policy(), before in chances()) {
        let mut life = Life::begin(policy, 7, Instant::now());
        for chance in before {
            life.meet(chance);
        }
        let asked = life.now;
        let _asks = life.machine.on_event(Event::StopRequested, asked);
        let mut now = asked;
        while let Some(deadline) = life.machine.next_deadline() {
            now = now.max(deadline);
            let _in_vain = life.machine.on_event(Event::Tick, now);
        }
        prop_assert_eq!(life.machine.phase(), &Phase::Ended(Outcome::Stopped));
        prop_assert!(now - asked <= policy.stop_timeout + GIVE_UP + GRACE + GIVE_UP, "{:?}", now - asked);
    }

    /// No wait is endless: every phase has a deadline, or an event in the world that ends it; and if no
    /// action has an effect, time alone soon leads to a phase of the second kind.
    #[test]
    fn every_wait_has_an_end(policy in policy(), chances in chances()) {
        let mut life = Life::begin(policy, 7, Instant::now());
        for chance in chances {
            life.meet(chance);
            let mut machine = life.machine.clone();
            let mut ticks = 0;
            loop {
                let (deadline, source) = (machine.next_deadline(), ended_by(machine.phase()));
                prop_assert!(deadline.is_some() || source.is_some(), "{:?}", machine);
                let Some(deadline) = deadline else { break };
                // A new instance is out of scope.
                if let Action::Spawn | Action::Renew = machine.on_event(Event::Tick, deadline) { break }
                ticks += 1;
                prop_assert!(ticks < 8, "{:?}", machine);
            }
        }
    }

    /// The same events at another time have the same result: there is no other clock.
    #[test]
    fn time_is_only_an_argument(policy in policy(), seed: u64, chances in chances(), hours in 1_u64..10_000) {
        let shift = Duration::from_secs(hours * 3600);
        let now = Instant::now();
        let (mut one, mut other) = (Life::begin(policy, seed, now), Life::begin(policy, seed, now + shift));
        for chance in chances {
            one.meet(chance.clone());
            other.meet(chance);
            let shifted = one.machine.next_deadline().map(|deadline| deadline + shift);
            prop_assert_eq!(shifted, other.machine.next_deadline());
        }
        prop_assert_eq!(one.done, other.done);
    }

    /// The delay between an end and the next start never exceeds the longest delay.
    #[test]
    fn a_wait_is_bounded(policy in policy(), seed: u64, chances in chances()) {
        let mut life = Life::begin(policy, seed, Instant::now());
        for chance in chances {
            life.meet(chance);
            if let Phase::Waiting { until } = life.machine.phase() {
                prop_assert!(*until <= life.now + backoff::LONGEST_DELAY.mul_f64(1.25));
            }
        }
    }
}
