use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::*;
use crate::parts::samples::name;

/// A supervisor that is alive as long as the test wants.
#[derive(Clone, Default)]
struct Fake {
    is_dead: Rc<Cell<bool>>,
    greetings: Rc<Cell<u32>>,
}

impl Supervisor for Fake {
    fn lives(&self) -> bool {
        !self.is_dead.get()
    }

    fn greet(&self) -> Result<(), SignalError> {
        self.greetings.set(self.greetings.get() + 1);
        Ok(())
    }
}

/// A project with its supervisors; a name without one lost it.
#[derive(Default)]
struct Project {
    supervisors: RefCell<BTreeMap<&'static str, Fake>>,
    ended_in_order: &'static [&'static str],
    cannot_start: Cell<bool>,
    rescued: RefCell<Vec<String>>,
    listed: Cell<u32>,
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

impl Project {
    fn of(names: &[&'static str]) -> Self {
        let supervisors = names.iter().map(|name| (*name, Fake::default())).collect();
        Self { supervisors: RefCell::new(supervisors), ..Self::default() }
    }

    fn kill(&self, name: &str) {
        self.supervisors.borrow_mut().remove(name).unwrap().is_dead.set(true);
    }
}

impl Peers for Project {
    type Supervisor = Fake;

    fn names(&self) -> Vec<ServiceName> {
        self.listed.set(self.listed.get() + 1);
        NAMES.into_iter().rev().map(name).collect()
    }

    fn supervisor(&self, peer: &ServiceName) -> Option<Fake> {
        self.supervisors.borrow().get(peer.as_str()).cloned()
    }

    fn was_lost(&self, peer: &ServiceName) -> bool {
        self.supervisor(peer).is_none() && !self.ended_in_order.contains(&peer.as_str())
    }

    fn rescue(&self, peer: &ServiceName) -> Result<Fake, String> {
        if self.cannot_start.get() {
            return Err("no more processes".to_owned());
        }
        self.rescued.borrow_mut().push(peer.to_string());
        Ok(Fake::default())
    }
}

fn watched(watch: &PeerWatch<Fake>) -> Option<&str> {
    watch.next.as_ref().map(|next| next.service.as_str())
}

fn look(watch: &mut PeerWatch<Fake>, project: &Project, now: Instant) {
    watch.look(project, &name("b"), || true, false, now);
}

#[test]
fn of_many_that_stop_at_once_none_lists_the_others() {
    let project = Project::of(&["a", "b", "c", "d"]);
    let (mut watch, now) = (PeerWatch::new(false), Instant::now());
    look(&mut watch, &project, now);
    let listed = project.listed.get();
    project.kill("c");
    watch.look(&project, &name("b"), || true, true, now);
    assert_eq!((project.listed.get(), watched(&watch)), (listed, None));
}

#[test]
fn another_one_is_looked_for_a_little_after_the_next_ended_in_order() {
    let (project, now) = (Project { ended_in_order: &["c"], ..Project::of(&NAMES) }, Instant::now());
    let mut watch = PeerWatch::new(false);
    look(&mut watch, &project, now);
    let listed = project.listed.get();
    project.kill("c");
    look(&mut watch, &project, now);
    assert_eq!((project.listed.get(), watched(&watch)), (listed, None));
    let later = watch.next_look().unwrap();
    look(&mut watch, &project, later);
    assert_eq!((watched(&watch), watch.next_look()), (Some("d"), None));
    assert!(project.rescued.borrow().is_empty());
}

#[test]
fn each_watches_the_next_living_one_and_the_last_watches_the_first() {
    let now = Instant::now();
    for (living, next) in [
        (&["a", "b", "c", "d"][..], Some("c")),
        (&["a", "b", "d"][..], Some("d")),
        (&["a", "b"][..], Some("a")),
        (&["b"][..], None),
    ] {
        let project = Project { ended_in_order: &NAMES, ..Project::of(living) };
        let mut watch = PeerWatch::new(false);
        look(&mut watch, &project, now);
        assert_eq!(watched(&watch), next);
        assert!(project.rescued.borrow().is_empty(), "an end in order needs no rescue");
    }
}

#[test]
fn a_killed_one_is_replaced_and_the_replacement_is_watched() {
    let (project, now) = (Project::of(&NAMES), Instant::now());
    let mut watch = PeerWatch::new(false);
    look(&mut watch, &project, now);
    look(&mut watch, &project, now);
    assert!(project.rescued.borrow().is_empty());
    project.kill("c");
    look(&mut watch, &project, now);
    assert_eq!((*project.rescued.borrow()).as_slice(), ["c"]);
    assert_eq!(watched(&watch), Some("c"));
    look(&mut watch, &project, now);
    watch.ask_to_look_around();
    look(&mut watch, &project, now);
    assert_eq!(project.rescued.borrow().len(), 1, "it is on its way");
}

#[test]
fn a_failed_rescue_is_tried_again_after_a_growing_pause_and_not_for_ever() {
    let (project, mut now) = (Project { ended_in_order: &["a", "d"], ..Project::of(&["b"]) }, Instant::now());
    project.cannot_start.set(true);
    let mut watch = PeerWatch::new(false);
    look(&mut watch, &project, now);
    let mut pauses = Vec::new();
    while let Some(at) = watch.next_look() {
        pauses.push(at - now);
        now = at;
        look(&mut watch, &project, now);
    }
    assert_eq!(pauses.len(), RESCUE_LIMIT);
    assert!(pauses.iter().zip(&pauses[1..]).all(|(pause, next)| *next == *pause * 2));

    project.cannot_start.set(false);
    watch.ask_to_look_around();
    look(&mut watch, &project, now + RESCUE_WINDOW);
    assert_eq!((*project.rescued.borrow()).as_slice(), ["c"], "long after, it is tried again");
}

#[test]
fn the_one_before_is_told_once_and_when_it_is_time() {
    let project = Project::of(&["a", "b", "d"]);
    let greetings = |name: &str| project.supervisors.borrow()[name].greetings.get();
    let mut watch = PeerWatch::new(false);
    watch.introduce(&project, &name("b"), false);
    assert_eq!(greetings("a"), 0);
    for _ in 0..2 {
        watch.introduce(&project, &name("b"), true);
        assert_eq!((greetings("a"), greetings("d")), (1, 0));
    }
    watch.look_again();
    watch.introduce(&project, &name("b"), true);
    assert_eq!(greetings("a"), 2, "after a restart it is watched again");
}

#[test]
fn one_that_stops_or_only_ends_a_service_watches_and_rescues_nothing() {
    let (project, now) = (Project::of(&["a", "b"]), Instant::now());
    let mut aloof = PeerWatch::new(true);
    look(&mut aloof, &project, now);
    aloof.introduce(&project, &name("b"), true);
    let mut stopping = PeerWatch::new(false);
    stopping.look(&project, &name("b"), || true, true, now);
    for watch in [&aloof, &stopping] {
        assert_eq!(watched(watch), None);
    }
    assert!(project.rescued.borrow().is_empty());
    assert_eq!(project.supervisors.borrow()["a"].greetings.get(), 0);
}

#[test]
fn no_place_is_taken_while_a_command_waits_for_the_service() {
    let (project, now) = (Project::of(&NAMES), Instant::now());
    let mut watch = PeerWatch::new(false);
    watch.look(&project, &name("b"), || false, false, now);
    assert_eq!(watched(&watch), None);
    look(&mut watch, &project, now);
    assert_eq!(watched(&watch), Some("c"));
}
