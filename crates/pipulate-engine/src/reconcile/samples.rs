//! Records for tests.

use pipulate_core::identity::{Host, Pid, ProcessIdentity};
use pipulate_core::marker::RunId;
use pipulate_core::project::AbsPath;
use pipulate_core::receipt::Receipt;
use pipulate_core::service::ServiceName;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_store::record::{MainProcess, Record};

pub(crate) fn pid(number: i32) -> Pid {
    Pid::new(number).unwrap()
}

pub(crate) fn identity(number: i32) -> ProcessIdentity {
    let host = Host { boot: "b".to_owned(), pid_namespace: 7, machine: "m".to_owned() };
    ProcessIdentity { pid: pid(number), start: 99, host }
}

pub(crate) fn run(number: u64) -> RunId {
    RunId::from_random(number)
}

/// A record of a service that is wanted, in this state, written by the supervisor 10 in generation 1.
pub(crate) fn record(state: ServiceState) -> Record {
    Record {
        supervisor: Some(identity(10)),
        state,
        main: main(1),
        next_run: Some(run(100)),
        generation: Some(run(1)),
        ..Record::new(AbsPath::new("/p").unwrap(), ServiceName::parse("worker").unwrap())
    }
}

pub(crate) fn main(number: u64) -> Option<MainProcess> {
    let started_at = jiff::Timestamp::UNIX_EPOCH;
    Some(MainProcess { identity: identity(42), run: run(number), started_at })
}

/// The last record of a service that was stopped by request.
pub(crate) fn stopped() -> Record {
    let (supervisor, main, wanted) = (None, None, Wanted::Stopped);
    let receipt = Some(Receipt::default());
    Record { supervisor, main, wanted, receipt, ..record(ServiceState::Stopped) }
}
