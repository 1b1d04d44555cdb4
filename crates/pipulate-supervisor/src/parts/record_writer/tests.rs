use std::io::{self, Read as _};

use pipulate_core::service::Scheme;
use pipulate_process::identity;

use super::*;
use crate::parts::samples;

impl RecordWriter {
    pub(crate) fn into_record(self) -> Record {
        self.record
    }
}

struct Fixture {
    folder: tempfile::TempDir,
    layout: Layout,
    spec: ServiceSpec,
    writer: RecordWriter,
}

fn run(number: u64) -> RunId {
    RunId::from_random(number)
}

fn fixture(earlier: Option<&Record>, notify: Option<OwnedFd>) -> Fixture {
    let (folder, layout) = samples::home();
    let spec = samples::spec(&layout);
    let me = identity::own(&identity::host()).unwrap();
    let writer = RecordWriter::new(
        &layout,
        &spec,
        (me, samples::PROGRAM.as_ref()),
        earlier,
        None,
        (notify, samples::words),
        (run(1), run(2)),
    );
    Fixture { folder, layout, spec, writer }
}

impl Fixture {
    fn read(&self) -> Option<Record> {
        record::read(&self.layout, &self.spec.name).unwrap()
    }

    /// Makes the folder of the records unusable.
    fn break_disk(&self) {
        std::fs::remove_dir_all(self.layout.run()).unwrap();
        std::fs::write(self.layout.run(), b"").unwrap();
    }

    fn repair_disk(&self) {
        std::fs::remove_file(self.layout.run()).unwrap();
        pipulate_store::home::ensure(&self.layout).unwrap();
    }
}

fn snapshot(state: ServiceState) -> Snapshot<'static> {
    Snapshot {
        state,
        reasons: Vec::new(),
        wanted: Wanted::Run,
        restarts: 0,
        unexpected_ends: 0,
        address: None,
        scheme: Scheme::Http,
        is_adopted: false,
        main: None,
        is_exposed: false,
        saved: Vec::new(),
        receipt: None,
        is_over: false,
    }
}

#[test]
fn the_run_of_an_instance_is_on_disk_before_it_may_start() {
    let mut it = fixture(None, None);
    it.writer.begin(&it.layout, true, true).unwrap();
    assert_eq!(it.read().unwrap().next_run, Some(run(1)));
    let ahead = it.writer.write_ahead(&it.layout, run(3), true).unwrap();
    assert_eq!(it.read().unwrap().next_run, Some(run(1)), "until its process is known");
    assert_eq!(ahead.into_run(), run(1));
    assert_eq!(it.writer.next_run(), &run(3));
    // The instance ended before the end of the round.
    let ahead = it.writer.write_ahead(&it.layout, run(4), true).unwrap();
    assert_eq!(it.read().unwrap().next_run, Some(run(3)));
    assert_eq!(ahead.into_run(), run(3));
}

#[test]
fn a_new_service_does_not_start_without_a_record_and_one_that_runs_goes_on() {
    let mut it = fixture(None, None);
    it.break_disk();
    assert!(it.writer.begin(&it.layout, true, true).is_err());
    assert!(it.writer.write_ahead(&it.layout, run(3), true).is_err());
    it.repair_disk();
    it.writer.begin(&it.layout, true, true).unwrap();
    it.break_disk();
    let ahead = it.writer.write_ahead(&it.layout, run(3), true).unwrap();
    assert_eq!(ahead.into_run(), run(1));
    let again = it.writer.write_ahead(&it.layout, run(4), true).unwrap();
    assert_eq!(again.into_run(), run(3));
    assert!(!it.writer.is_written());

    let mut living = fixture(None, None);
    living.break_disk();
    living.writer.begin(&living.layout, false, true).unwrap();
    assert!(living.writer.write_ahead(&living.layout, run(3), true).is_ok());
    assert!(living.folder.path().exists());
}

#[test]
fn the_command_that_waits_is_notified_of_every_change_until_the_state_lasts() {
    let (mut reader, notify) = io::pipe().unwrap();
    let mut it = fixture(None, Some(notify.into()));
    it.writer.begin(&it.layout, true, true).unwrap();
    assert!(it.writer.has_waiter() && it.writer.waiter().is_some());
    it.writer.write(&it.layout, Instant::now());
    for state in [ServiceState::Backoff, ServiceState::Ready, ServiceState::Degraded] {
        it.writer.update(snapshot(state));
        it.writer.write(&it.layout, Instant::now());
    }
    assert!(!it.writer.has_waiter());
    let mut told = String::new();
    reader.read_to_string(&mut told).unwrap();
    assert_eq!(told, "!worker\n!worker\n!worker\n", "nothing for a record without a change");
    assert_eq!(it.read().unwrap().state, ServiceState::Degraded);
}

#[test]
fn a_command_that_has_gone_is_waited_for_no_more() {
    let (reader, notify) = io::pipe().unwrap();
    let mut it = fixture(None, Some(notify.into()));
    assert!(it.writer.has_waiter());
    drop(reader);
    assert!(!it.writer.has_waiter() && it.writer.waiter().is_none());
    let nowhere = std::fs::File::options().write(true).open("/dev/null").unwrap();
    assert!(!fixture(None, Some(nowhere.into())).writer.has_waiter(), "nothing reads /dev/null");
}

#[test]
fn that_a_stop_has_begun_is_written_when_the_service_takes_longer() {
    let now = Instant::now();
    for takes_longer in [false, true] {
        let mut it = fixture(None, None);
        it.writer.begin(&it.layout, true, true).unwrap();
        let stopping = || Snapshot { wanted: Wanted::Stopped, ..snapshot(ServiceState::Stopping) };
        it.writer.update(stopping());
        it.writer.write(&it.layout, now);
        assert_eq!(it.read().unwrap().state, ServiceState::Starting);
        let later = it.writer.next_write(now).unwrap();
        if takes_longer {
            it.writer.write(&it.layout, later);
            assert_eq!(it.read().unwrap().state, ServiceState::Stopping);
        } else {
            it.writer.update(Snapshot { is_over: true, ..snapshot(ServiceState::Stopped) });
            it.writer.write(&it.layout, now);
            assert_eq!(it.read().unwrap().state, ServiceState::Stopped);
        }
        assert_eq!(it.writer.next_write(now), None);
    }
}

#[test]
fn the_name_of_the_supervisor_leaves_the_record_last() {
    let mut it = fixture(None, None);
    it.writer.begin(&it.layout, true, true).unwrap();
    let main = samples::main_process();
    it.writer.started(&main, Some(5001), 0);
    it.writer.update(Snapshot { main: Some(&main), ..snapshot(ServiceState::Stopping) });
    it.writer.write(&it.layout, Instant::now());
    let record = it.read().unwrap();
    assert!(record.supervisor.is_some() && record.main == Some(main));
    assert!(it.layout.pid_file(&it.spec.name).exists());
    it.writer.update(Snapshot { is_over: true, ..snapshot(ServiceState::Stopped) });
    it.writer.write(&it.layout, Instant::now());
    let record = it.read().unwrap();
    assert_eq!((record.supervisor, record.main, record.port), (None, None, Some(5001)));
    assert!(!it.layout.pid_file(&it.spec.name).exists());
}

#[test]
fn what_is_known_of_a_start_is_kept_only_for_the_instance_that_runs() {
    let mut it = fixture(None, None);
    it.writer.note(Reason::KeysExposed { port: 1 });
    it.writer.note(Reason::KeysExposed { port: 1 });
    it.writer.begin(&it.layout, true, true).unwrap();
    let earlier = it.read().unwrap();
    assert_eq!(earlier.notes.len(), 1);
    assert!(fixture(Some(&earlier), None).writer.record.notes.is_empty());
    let me = identity::own(&identity::host()).unwrap();
    let main = Some(samples::main_process());
    let runs = (run(1), run(2));
    let adopted = RecordWriter::new(
        &it.layout,
        &it.spec,
        (me, samples::PROGRAM.as_ref()),
        Some(&earlier),
        main,
        (None, samples::words),
        runs,
    );
    assert_eq!(adopted.record.notes, earlier.notes);
}
