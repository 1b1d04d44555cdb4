//! The decision as a table: the venv's owner and state, the request, and the plan.

use super::*;
use crate::installer_kind::InstallerKind;
use crate::venv::Venv;
use crate::version::Version;

const ROOT: &str = "/p/.venv";

fn venv() -> Venv {
    Venv {
        root: ROOT.into(),
        python: "/p/.venv/bin/python".into(),
        real_python: "/usr/bin/python3.11".into(),
        version: Version::parse("3.11.7"),
        identity: VenvIdentity { written: 1, made: Some(11) },
    }
}

fn stamp(origin: Origin, installed: Option<&str>) -> Stamp {
    Stamp::Made(Made {
        origin,
        venv: ROOT.into(),
        identity: VenvIdentity { written: 1, made: Some(11) },
        real_python: "/usr/bin/python3.11".into(),
        version: Version::parse("3.11.7").unwrap(),
        installed: installed.map(|requirements| Installed {
            installer: InstallerKind::Uv,
            requirements: Fingerprint(requirements.to_owned()),
            listing: None,
        }),
    })
}

fn ours() -> Stamp {
    stamp(Origin::Made, Some("now"))
}

fn whole() -> VenvState {
    VenvState::Whole(venv())
}

fn moved() -> VenvState {
    VenvState::Moved { venv: venv(), from: "/old/.venv".into() }
}

fn gone() -> Breakage {
    Breakage::DanglingInterpreter("/gone".into())
}

fn broken_venv() -> VenvState {
    VenvState::Broken { problem: gone(), identity: Some(VenvIdentity { written: 1, made: Some(11) }) }
}

struct Case {
    venv: VenvState,
    stamp: Option<Stamp>,
    manager: Option<Manager>,
    alive: bool,
    is_as_left: bool,
    has_own_list: bool,
}

impl Case {
    fn new(venv: VenvState, stamp: impl Into<Option<Stamp>>) -> Self {
        Self { venv, stamp: stamp.into(), manager: None, alive: false, is_as_left: true, has_own_list: true }
    }

    fn beside(mut self, file: &str) -> Self {
        self.manager = Some(Manager::with_file(file));
        self
    }

    fn without_a_list(mut self) -> Self {
        self.has_own_list = false;
        self
    }

    fn with_packages_gone(mut self) -> Self {
        self.is_as_left = false;
        self
    }

    fn alive(mut self) -> Self {
        self.alive = true;
        self
    }

    fn plan(&self, mode: Mode) -> Plan {
        let wanted = Fingerprint("now".to_owned());
        let facts = Facts {
            root: Path::new(ROOT),
            venv: &self.venv,
            stamp: self.stamp.as_ref(),
            manager: self.manager,
            wanted: Some(&wanted),
            alive: self.alive,
            has_own_list: self.has_own_list,
            is_as_left: self.is_as_left,
        };
        decide(&facts, mode)
    }
}

fn keep(drift: impl IntoIterator<Item = Drift>) -> Plan {
    Plan::Keep { drift: drift.into_iter().collect() }
}

fn from_old() -> Drift {
    Drift::VenvMoved { from: "/old/.venv".into() }
}

#[test]
fn by_itself_it_makes_and_mends_what_is_ours() {
    let making = Stamp::Making { venv: ROOT.into() };
    let set_aside = |why| Plan::Recreate { old: Old::SetAside, why: Some(why) };
    for (case, wanted) in [
        (Case::new(VenvState::Absent, None), Plan::Create),
        (Case::new(VenvState::Absent, ours()), Plan::Create),
        (Case::new(VenvState::Absent, None).beside("uv.lock"), Plan::Create),
        (Case::new(whole(), ours()), keep([])),
        (Case::new(whole(), stamp(Origin::Made, Some("before"))), install(Origin::Made)),
        (Case::new(whole(), stamp(Origin::Adopted, Some("before"))), install(Origin::Adopted)),
        (Case::new(whole(), stamp(Origin::Made, None)), install(Origin::Made)),
        (Case::new(whole(), making.clone()), install(Origin::Made)),
        (Case::new(broken_venv(), making), Plan::Recreate { old: Old::Remove, why: None }),
        (Case::new(broken_venv(), ours()), set_aside(Drift::VenvBroken(gone()))),
        (Case::new(moved(), ours()), set_aside(from_old())),
    ] {
        assert_eq!(case.plan(Mode::Automatic), wanted, "{:?} {:?}", case.venv, case.stamp);
    }
}

#[test]
fn by_itself_it_changes_nothing_that_is_not_ours() {
    let refuse = || Plan::Refuse(Refusal::BrokenAndNotOurs { root: ROOT.into(), problem: gone() });
    let other = Stamp::Made(Made { identity: VenvIdentity { written: 2, made: Some(12) }, ..made(ours()) });
    let managed = Drift::ManagedBy(Manager::with_file("uv.lock"));
    for (case, wanted) in [
        (Case::new(whole(), None), keep([])),
        (Case::new(whole(), other.clone()), keep([])),
        (Case::new(whole(), Stamp::Making { venv: "/elsewhere/.venv".into() }), keep([])),
        (Case::new(moved(), None), keep([from_old()])),
        (Case::new(moved(), stamp(Origin::Adopted, Some("now"))), keep([from_old()])),
        (Case::new(broken_venv(), None), refuse()),
        (Case::new(broken_venv(), other), refuse()),
        (Case::new(broken_venv(), stamp(Origin::Adopted, Some("now"))), refuse()),
        (Case::new(broken_venv(), ours()).beside("uv.lock"), refuse()),
        (
            Case::new(whole(), stamp(Origin::Made, Some("before"))).beside("uv.lock"),
            keep([Drift::RequirementsChanged, managed]),
        ),
    ] {
        assert_eq!(case.plan(Mode::Automatic), wanted, "{:?} {:?}", case.venv, case.stamp);
    }
}

#[test]
fn asked_for_it_installs_into_what_is_there_and_makes_anew_only_what_is_ours() {
    for (case, wanted) in [
        (Case::new(VenvState::Absent, None), Plan::Create),
        (Case::new(whole(), ours()), keep([])),
        (Case::new(whole(), ours()).with_packages_gone(), install(Origin::Made)),
        (Case::new(whole(), stamp(Origin::Made, Some("before"))), install(Origin::Made)),
        (Case::new(whole(), None), install(Origin::Adopted)),
        (Case::new(whole(), None).beside("poetry.lock"), install(Origin::Adopted)),
        (Case::new(moved(), ours()), Plan::Recreate { old: Old::SetAside, why: Some(from_old()) }),
        (
            Case::new(moved(), None),
            Plan::Refuse(Refusal::MovedAndNotOurs { root: ROOT.into(), from: "/old/.venv".into() }),
        ),
        (
            Case::new(broken_venv(), None),
            Plan::Refuse(Refusal::BrokenAndNotOurs { root: ROOT.into(), problem: gone() }),
        ),
    ] {
        assert_eq!(case.plan(Mode::Explicit), wanted, "{:?} {:?}", case.venv, case.stamp);
    }
}

#[test]
fn recreate_keeps_the_old_one_whoever_made_it() {
    for case in [
        Case::new(whole(), None),
        Case::new(whole(), ours()),
        Case::new(broken_venv(), None).beside("uv.lock"),
        Case::new(moved(), None),
        Case::new(whole(), Stamp::Making { venv: ROOT.into() }),
    ] {
        assert_eq!(
            case.plan(Mode::Recreate),
            Plan::Recreate { old: Old::SetAside, why: None },
            "{:?}",
            case.venv
        );
    }
}

#[test]
fn under_a_living_home_nothing_is_ever_replaced() {
    let stamps = || {
        let making = Stamp::Making { venv: ROOT.into() };
        [
            None,
            Some(ours()),
            Some(stamp(Origin::Made, Some("before"))),
            Some(stamp(Origin::Adopted, None)),
            Some(making),
        ]
    };
    for venv in [VenvState::Absent, whole(), moved(), broken_venv()] {
        for stamp in stamps() {
            for mode in [Mode::Automatic, Mode::Explicit, Mode::Recreate] {
                let plan = Case::new(venv.clone(), stamp.clone()).alive().plan(mode);
                let replaces_nothing = match plan {
                    Plan::Keep { .. } | Plan::Refuse(_) => true,
                    Plan::Create => venv == VenvState::Absent,
                    Plan::Install { only_adds, .. } => only_adds,
                    Plan::Recreate { .. } => false,
                };
                assert!(replaces_nothing, "{venv:?} {stamp:?} {mode:?}: {plan:?}");
            }
        }
    }
}

#[test]
fn a_living_home_goes_on_with_what_it_has_and_names_what_changed() {
    let adds = Plan::Install { origin: Origin::Made, only_adds: true };
    let changed = || Case::new(whole(), stamp(Origin::Made, Some("before"))).alive();
    assert_eq!(changed().plan(Mode::Automatic), keep([Drift::RequirementsChanged]));
    assert_eq!(changed().plan(Mode::Explicit), adds);
    assert_eq!(Case::new(whole(), ours()).alive().plan(Mode::Explicit), keep([]));
    assert!(matches!(changed().plan(Mode::Recreate), Plan::Refuse(Refusal::HomeIsAlive { .. })));
}

#[test]
fn a_home_without_a_good_set_up_can_always_be_set_up() {
    let adds = Plan::Install { origin: Origin::Made, only_adds: true };
    for stamp in [stamp(Origin::Made, None), Stamp::Making { venv: ROOT.into() }] {
        for mode in [Mode::Automatic, Mode::Explicit] {
            assert_eq!(Case::new(whole(), stamp.clone()).alive().plan(mode), adds, "{stamp:?}");
            let beside = Case::new(whole(), stamp.clone()).beside("uv.lock");
            assert_eq!(beside.plan(mode), install(Origin::Made), "{stamp:?}");
        }
    }
    assert_eq!(Case::new(VenvState::Absent, None).alive().plan(Mode::Automatic), Plan::Create);
}

#[test]
fn what_another_tool_alone_knows_is_left_to_it() {
    let poetry = Manager::with_file("poetry.lock");
    for mode in [Mode::Automatic, Mode::Explicit] {
        let absent = Case::new(VenvState::Absent, None).beside("poetry.lock");
        assert_eq!(absent.plan(mode), Plan::Create, "its own list can be read");
        assert_eq!(absent.without_a_list().plan(mode), Plan::Refuse(Refusal::Managed { manager: poetry }));
    }
    let there = Case::new(whole(), None).beside("poetry.lock").without_a_list();
    assert_eq!(there.plan(Mode::Automatic), keep([]));
    assert_eq!(there.plan(Mode::Explicit), keep([]), "what it lacks is named");
    let missing = || vec!["jupyterlab".to_owned()];
    for (file, command) in [
        ("poetry.lock", "poetry add jupyterlab"),
        ("Pipfile.lock", "pipenv install jupyterlab"),
        ("pdm.lock", "pdm add jupyterlab"),
        ("pixi.lock", "pixi add jupyterlab"),
        ("environment.yml", "conda install --prefix .conda jupyterlab"),
    ] {
        let manager = Manager::with_file(file);
        let lacks = |is_listed| Drift::ManagerLacks { manager, missing: missing(), is_listed }.to_string();
        assert!(
            lacks(false).ends_with(&format!("; add what is missing with: {command}")),
            "{}",
            lacks(false)
        );
        let install = manager.install_command().join(" ");
        assert!(
            lacks(true).ends_with(&format!("; install what is missing with: {install}")),
            "{}",
            lacks(true)
        );
    }
    assert_eq!(there.plan(Mode::Recreate), Plan::Recreate { old: Old::SetAside, why: None });
}

#[test]
fn an_edit_of_its_settings_makes_a_venv_no_strangers() {
    let edited = Venv { identity: VenvIdentity { written: 3, made: Some(11) }, ..venv() };
    assert_eq!(
        Case::new(VenvState::Whole(edited.clone()), stamp(Origin::Made, Some("before")))
            .plan(Mode::Automatic),
        install(Origin::Made)
    );
    let another = Venv { identity: VenvIdentity { written: 3, made: Some(12) }, ..edited };
    assert_eq!(Case::new(VenvState::Whole(another), ours()).plan(Mode::Automatic), keep([]));
}

fn made(stamp: Stamp) -> Made {
    match stamp {
        Stamp::Made(made) => made,
        Stamp::Making { .. } => panic!(),
    }
}
