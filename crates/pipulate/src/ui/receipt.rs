//! The result of a stop, in words: ended, forced, and remaining processes, with reasons.

use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;
use pipulate_engine::answer;
use pipulate_engine::report::Outcome;
use pipulate_words::Tone;

use super::printer::Printer;
use crate::error::{Failure, FailureKind};
use crate::style::Style;

/// Prints the receipt; refusals go to stderr. `asked` and `kernels` as in [`text`].
///
/// # Errors
/// The output can't be written.
pub(crate) fn print(
    printer: &Printer,
    outcomes: &[(ServiceName, Outcome)],
    asked: &[ServiceName],
    kernels: &[String],
) -> Result<(), Failure> {
    let text = text(outcomes, asked, kernels, printer.stdout_style());
    if !text.is_empty() {
        match printer.data(&text) {
            // The fate of processes is always reported.
            Err(failure) if failure.kind == FailureKind::ReaderGone => printer.note(text),
            printed => printed?,
        }
    }
    for failure in failures(outcomes) {
        printer.failure(&failure);
    }
    if outcomes.iter().all(|(_, outcome)| *outcome == Outcome::AlreadyStopped) {
        printer.note("Nothing was running");
    }
    Ok(())
}

/// The services that were not stopped, with reasons.
pub(crate) fn failures(outcomes: &[(ServiceName, Outcome)]) -> Vec<Failure> {
    let failure = |(service, outcome): &(ServiceName, Outcome)| {
        let Outcome::Refused(reason) = outcome else { return None };
        let mut why = pipulate_words::reason(reason, service);
        if matches!(**reason, Reason::RecordUnreadable { .. }) {
            why.push_str("; a stop with --force ends what carries its marker");
        }
        Some(Failure::failed(format!("{service} was not stopped")).cause(why))
    };
    outcomes.iter().filter_map(failure).collect()
}

/// The words of a stop's results, in the order of the engine's [`answer::of_stop`].
fn text(
    outcomes: &[(ServiceName, Outcome)],
    asked: &[ServiceName],
    kernels: &[String],
    style: Style,
) -> String {
    let paint = |tone, text: String| match tone {
        Tone::Good => style.good(text),
        Tone::Bad => style.bad(text),
    };
    let lines = answer::of_stop(outcomes, asked, kernels);
    lines.iter().map(|line| pipulate_words::line(line, &paint)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use pipulate_core::identity::Pid;
    use pipulate_core::project::AbsPath;
    use pipulate_core::reason::Fate;
    use pipulate_core::receipt::{Named, Receipt};
    use pipulate_core::state::{ServiceState, Wanted};
    use pipulate_store::record::Record;

    use super::*;

    fn stopped(receipt: Receipt) -> Outcome {
        let record = Record {
            wanted: Wanted::Stopped,
            state: ServiceState::Stopped,
            receipt: Some(receipt),
            ..Record::new(AbsPath::new("/p").unwrap(), ServiceName::parse("worker").unwrap())
        };
        Outcome::Stopped { record: Box::new(record) }
    }

    fn named(pid: i32, name: &str, why: Fate) -> Named {
        Named { pid: Pid::new(pid).unwrap(), start: 0, name: name.to_owned(), why }
    }

    #[test]
    fn a_receipt_names_what_was_forced_left_and_alive() {
        let jupyter = Receipt {
            stopped: 4,
            seconds: 0.912,
            forced: vec![named(81, "python3", Fate::KilledUnheeding)],
            left: vec![named(82, "tmux: server", Fate::DetachedFromTerminal)],
            survivors: vec![named(83, "sudo", Fate::OfAnotherUser)],
        };
        let server = Receipt { stopped: 1, seconds: 0.3, ..Receipt::default() };
        let name = |text| ServiceName::parse(text).unwrap();
        let outcomes = [
            (name("jupyter"), stopped(jupyter)),
            (name("server"), stopped(server)),
            (name("worker"), Outcome::AlreadyStopped),
            (name("late"), Outcome::StartWithdrawn),
        ];
        insta::assert_snapshot!(text(&outcomes, &[], &["a.ipynb".to_owned()], Style::plain()), @r"
        Stopped jupyter: 4 processes in 0.9 s
          forced: python3 (pid 81), did not end when asked
          left running: tmux: server (pid 82), detached itself from a JupyterLab terminal
          still alive: sudo (pid 83), belongs to another user
          ended with it: the kernel of a.ipynb, with its variables
        Stopped server: 1 process in 0.3 s
        late had not started yet, and will not be started
        1 process left
        ");
    }

    #[test]
    fn what_is_left_is_said_of_the_services_that_were_named() {
        let name = |text| ServiceName::parse(text).unwrap();
        let done = (name("worker"), stopped(Receipt { stopped: 1, seconds: 0.3, ..Receipt::default() }));
        let receipt = text(&[done], &[name("worker")], &[], Style::plain());
        assert_eq!(receipt, "Stopped worker: 1 process in 0.3 s\nworker: 0 processes left");
    }

    #[test]
    fn nothing_is_promised_about_what_was_refused() {
        let name = |text| ServiceName::parse(text).unwrap();
        let refused = (name("jupyter"), Outcome::Refused(Box::new(Reason::SupervisorRestless)));
        assert_eq!(text(std::slice::from_ref(&refused), &[], &[], Style::plain()), "");
        let done = (name("server"), stopped(Receipt { stopped: 1, seconds: 0.3, ..Receipt::default() }));
        assert_eq!(text(&[refused, done], &[], &[], Style::plain()), "Stopped server: 1 process in 0.3 s");
    }
}
