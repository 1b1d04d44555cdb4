use std::time::Duration;

use pipulate_core::identity::{Host, Pid};
use pipulate_core::reason::{Fate, Obstacle, PortHolder};
use pipulate_core::receipt::Named;

use super::*;

const FROZEN_V1: &str = include_str!("../../tests/data/record-v1.json");
const FROZEN_V2: &str = include_str!("../../tests/data/record-v2.json");
/// A reason that is unknown to this version.
const TOMORROW: &str = r#"{"code":"from-tomorrow","depth":[1,{"of":"it"}]}"#;

fn record(root: &str) -> Record {
    let host = Host { boot: "b".to_owned(), pid_namespace: 7, machine: "m".to_owned() };
    let identity = |pid| ProcessIdentity { pid: Pid::new(pid).unwrap(), start: 99, host: host.clone() };
    let at: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    let named = |pid| Named {
        pid: Pid::new(pid).unwrap(),
        start: 0,
        name: "tmux".to_owned(),
        why: Fate::Told { text: "detached".to_owned() },
    };
    Record {
        root: AbsPath::new(root).unwrap(),
        service: ServiceName::parse("jupyter").unwrap(),
        wanted: Wanted::Run,
        supervisor: Some(identity(41)),
        program: None,
        state: ServiceState::Ready,
        reasons: vec![Reason::told("why")],
        main: Some(MainProcess { identity: identity(42), run: RunId::from_random(1), started_at: at }),
        generation: None,
        restarts: 2,
        unexpected_ends: 0,
        last_exit: Some(LastExit { code: Some(1), signal: None, at }),
        port: Some(8888),
        exposed: false,
        scheme: Scheme::Http,
        address: Some("127.0.0.1:8888".parse().unwrap()),
        page: Some("/lab".to_owned()),
        configured: ConfigFingerprint::of([("port", "5001".to_owned())]),
        readiness: Readiness::Http {
            path: "/api".to_owned(),
            any_status: true,
            timeout: Duration::from_secs(60),
        },
        adopted: false,
        notes: vec![Reason::told("a note")],
        next_run: None,
        log_start: 12,
        log_dropped: 0,
        log_trouble: None,
        saved: Vec::new(),
        receipt: Some(Receipt {
            stopped: 3,
            seconds: 0.5,
            forced: vec![named(50)],
            left: vec![named(51)],
            survivors: vec![named(52)],
        }),
    }
}

fn layout(dir: &tempfile::TempDir) -> Layout {
    let layout = Layout::new(AbsPath::new(dir.path().canonicalize().unwrap()).unwrap());
    crate::home::ensure(&layout).unwrap()
}

#[test]
fn a_record_reads_back_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let layout = layout(&dir);
    let mut record = record(layout.root().to_str().unwrap());
    record.next_run = Some(RunId::from_random(7));
    record.scheme = Scheme::Https;
    record.generation = Some(RunId::from_random(8));
    record.saved = vec!["a b/c.py".into()];
    record.unexpected_ends = 4;
    record.program = Some("/opt/a b/pipulate".into());
    assert_eq!(read(&layout, &record.service).unwrap(), None);
    write(&layout, &record).unwrap();
    assert_eq!(read(&layout, &record.service).unwrap(), Some(record.clone()));
    assert_eq!(services(&layout).unwrap(), [record.service]);
}

#[test]
fn the_frozen_record_of_version_1_is_still_understood() {
    let configured = ConfigFingerprint::default();
    let expected = Record { configured, ..record("/home/me/demo") };
    assert_eq!(wire::decode(FROZEN_V1.as_bytes()).unwrap(), expected);
}

#[test]
fn the_frozen_record_of_version_2_is_still_understood() {
    let mut expected = record("/home/me/demo");
    let held = PortHolder::Process {
        pid: Pid::new(12).unwrap(),
        command: "nginx".to_owned(),
        service: None,
        project: None,
    };
    expected.reasons = vec![
        Reason::NotReadyInTime {
            within: Duration::from_millis(2500),
            obstacle: Some(Obstacle::PortHeld { port: 8888, holder: held.clone() }),
        },
        Reason::Foreign { code: "from-tomorrow".to_owned(), data: TOMORROW.to_owned() },
    ];
    expected.notes = vec![Reason::PortMoved { wanted: 8888, holder: held, using: 8889 }];
    let receipt = expected.receipt.as_mut().unwrap();
    receipt.forced[0].why = Fate::KilledAfter { timeout: Duration::from_secs(10) };
    receipt.left[0].why = Fate::DetachedFromTerminal;
    receipt.survivors[0].why = Fate::OfAnotherUser;
    assert_eq!(wire::decode(FROZEN_V2.as_bytes()).unwrap(), expected);
    let again = wire::decode(&wire::encode(&expected)).unwrap();
    assert_eq!(again, expected);
}

#[test]
fn a_running_services_ends_and_a_missing_main_process_say_more_than_its_state() {
    let mut record = record("/home/me/demo");
    record.unexpected_ends = 3;
    assert_eq!((record.state, record.shown_state()), (ServiceState::Ready, ServiceState::Unstable));
    record.state = ServiceState::Degraded;
    assert_eq!((record.is_in_background(), record.shown_state()), (false, ServiceState::Unstable));
    record.main = None;
    assert_eq!((record.is_in_background(), record.shown_state()), (true, ServiceState::Degraded));
    record.state = ServiceState::Crashed;
    assert_eq!((record.is_in_background(), record.shown_state()), (false, ServiceState::Crashed));
}

#[test]
fn a_copied_folders_record_means_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let layout = layout(&dir);
    let record = record("/somewhere/else");
    write(&layout, &record).unwrap();
    assert_eq!(read(&layout, &record.service).unwrap(), None);
}

#[test]
fn damaged_records_are_refused_with_a_word_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let layout = layout(&dir);
    let name = ServiceName::parse("jupyter").unwrap();
    let whole = FROZEN_V2;
    for (bytes, word) in [
        ("", "it is empty"),
        (&whole[..whole.len() / 2], "can't be understood"),
        ("[]", "can't be understood"),
        ("{\"version\": 3}", "a newer Pipulate wrote it"),
        (&whole.replace("\"version\": 2", "\"version\": 3"), "a newer Pipulate wrote it"),
        (&whole.replace("\"pid\": 42", "\"pid\": -1"), "an invalid value"),
        (&whole.replace("\"jupyter\"", "\"server\""), "it belongs to the service server"),
        (&whole.replace("\"state\": \"ready\"", "\"state\": \"splendid\""), "an invalid value"),
    ] {
        std::fs::write(layout.record(&name), bytes).unwrap();
        let error = read(&layout, &name).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("jupyter.json"), "{bytes:?} gave {error:?}");
        assert_eq!(std::fs::read(layout.record(&name)).unwrap(), bytes.as_bytes());
    }
}

#[test]
fn a_symlinked_record_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let layout = layout(&dir);
    let name = ServiceName::parse("jupyter").unwrap();
    std::fs::write(dir.path().join("elsewhere.json"), FROZEN_V2).unwrap();
    std::os::unix::fs::symlink(dir.path().join("elsewhere.json"), layout.record(&name)).unwrap();
    assert!(read(&layout, &name).unwrap_err().to_string().contains("symbolic link"));
}
