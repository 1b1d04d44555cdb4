//! What a stop did, in words: what ended, what had to be forced, what was left and why.

use pipulate_core::service::ServiceName;
use pipulate_core::text::printable;
use pipulate_engine::stop::Stopped;
use pipulate_store::record::{Named, Receipt};

use super::printer::Printer;
use super::style::Style;
use crate::error::{Failure, FailureKind};

/// Prints the receipt; refusals go to stderr.
///
/// # Errors
/// The output can't be written.
pub(crate) fn print(printer: &Printer, outcomes: &[(ServiceName, Stopped)]) -> Result<(), Failure> {
    let text = text(outcomes, printer.stdout_style());
    if !text.is_empty() {
        match printer.data(&text) {
            // What became of processes is worth knowing.
            Err(failure) if failure.kind == FailureKind::ReaderGone => printer.note(text),
            printed => printed?,
        }
    }
    for (service, outcome) in outcomes {
        if let Stopped::Refused(why) = outcome {
            printer.failure(&Failure::failed(format!("{service} was not stopped")).cause(why));
        }
    }
    if outcomes.iter().all(|(_, outcome)| *outcome == Stopped::Already) {
        printer.note("Nothing was running");
    }
    Ok(())
}

fn text(outcomes: &[(ServiceName, Stopped)], style: Style) -> String {
    let mut lines = Vec::new();
    let mut survivors = 0;
    let mut refused = false;
    for (service, outcome) in outcomes {
        match outcome {
            Stopped::Already => {}
            // What had ended by itself and left nothing: there is nothing to tell.
            Stopped::Done(receipt)
                if receipt.stopped == 0 && receipt.survivors.is_empty() && receipt.left.is_empty() => {}
            Stopped::Done(receipt) => {
                survivors += receipt.survivors.len();
                lines.extend(service_lines(service, receipt, style));
            }
            Stopped::Unrecorded(why) => {
                lines.push(format!("{} {service}, {}", style.good("Stopped"), printable(why)));
            }
            Stopped::Refused(_) => refused = true,
        }
    }
    match survivors {
        // Of what was refused nobody knows what is left.
        0 if refused => {}
        0 => lines.push(style.good("0 processes left")),
        1 => lines.push(style.bad("1 process left")),
        count => lines.push(style.bad(format!("{count} processes left"))),
    }
    lines.join("\n")
}

fn service_lines(service: &ServiceName, receipt: &Receipt, style: Style) -> Vec<String> {
    let count = usize::try_from(receipt.stopped).unwrap_or(usize::MAX);
    let processes = if count == 1 { "1 process".to_owned() } else { format!("{count} processes") };
    let mut lines =
        vec![format!("{} {service}: {processes} in {:.1} s", style.good("Stopped"), receipt.seconds)];
    let mut list = |title: &str, named: &[Named]| {
        lines.extend(named.iter().map(|named| {
            format!(
                "  {title}: {} (pid {}), {}",
                printable(&named.name),
                named.pid,
                pipulate_words::fate(&named.why)
            )
        }));
    };
    list("forced", &receipt.forced);
    list("left running", &receipt.left);
    list("still alive", &receipt.survivors);
    lines
}

#[cfg(test)]
mod tests {
    use pipulate_core::identity::Pid;
    use pipulate_core::reason::Fate;

    use super::*;

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
            (name("jupyter"), Stopped::Done(jupyter)),
            (name("server"), Stopped::Done(server)),
            (name("worker"), Stopped::Already),
        ];
        insta::assert_snapshot!(text(&outcomes, Style::plain()), @r"
        Stopped jupyter: 4 processes in 0.9 s
          forced: python3 (pid 81), did not end when asked
          left running: tmux: server (pid 82), detached itself from a JupyterLab terminal
          still alive: sudo (pid 83), belongs to another user
        Stopped server: 1 process in 0.3 s
        1 process left
        ");
    }

    #[test]
    fn nothing_is_promised_about_what_was_refused() {
        let name = |text| ServiceName::parse(text).unwrap();
        let refused = (name("jupyter"), Stopped::Refused("it lives on another machine".to_owned()));
        assert_eq!(text(std::slice::from_ref(&refused), Style::plain()), "");
        let done =
            (name("server"), Stopped::Done(Receipt { stopped: 1, seconds: 0.3, ..Receipt::default() }));
        assert_eq!(text(&[refused, done], Style::plain()), "Stopped server: 1 process in 0.3 s");
    }
}
