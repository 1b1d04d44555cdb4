//! The Python error at the end of a service's output: for example the error in a file that was just saved,
//! while a reloader runs on without its child.

use std::path::Path;

use pipulate_core::layout::Layout;
use pipulate_core::missing_module::MissingModule;
use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;
use pipulate_core::status::ServiceStatus;
use pipulate_store::log::excerpt;
use pipulate_store::log::mask::Masker;
use pipulate_store::log::read::Start;

/// More lines than any useful traceback has.
const LINES: u64 = 200;

/// Returns the error at the end of the last instance's output: its kind and place, never the message, which
/// may contain a secret. `None` if that instance neither ended by itself nor failed to become ready.
pub fn last_error(layout: &Layout, status: &ServiceStatus) -> Option<Reason> {
    let may_be_told = |reason: &Reason| {
        matches!(
            reason,
            Reason::EndedBeforeReady { .. }
                | Reason::Ended { .. }
                | Reason::EndedTooOften { .. }
                | Reason::EndsRepeatedly { .. }
                // A reloader runs on when the program that it loads fails.
                | Reason::NotReadyInTime { .. }
                | Reason::NoReadyLine { .. }
        )
    };
    let start = excerpt::telling(status.state, LINES, Start::TailOfRun(LINES));
    status.reasons.iter().any(may_be_told).then(|| error_after(layout, &status.name, start))?
}

/// Returns the error at the end of the last instance's output.
pub(super) fn error_at_end(layout: &Layout, service: &ServiceName) -> Option<Reason> {
    error_after(layout, service, Start::TailOfRun(LINES))
}

fn error_after(layout: &Layout, service: &ServiceName, start: Start) -> Option<Reason> {
    let nothing_masked = Masker::new([""; 0]);
    let lines = excerpt::last_lines(layout, service, start, usize::MAX, &nothing_masked).ok()?;
    if let Some(MissingModule { module, package }) = MissingModule::in_lines(&lines) {
        return Some(Reason::MissingModule { module, distribution: package });
    }
    let Mistake { kind, file, line } = mistake(&lines, layout.root())?;
    Some(Reason::LastError { kind: kind.to_owned(), file: file.to_owned(), line: line.to_owned() })
}

#[derive(Debug, PartialEq, Eq)]
struct Mistake<'a> {
    kind: &'a str,
    file: &'a str,
    line: &'a str,
}

/// `Traceback …`, frames of two or more indented lines each, and last of all `KindOfError: message`.
fn mistake<'a>(lines: &'a [String], root: &Path) -> Option<Mistake<'a>> {
    let mut lines = lines.iter().rev().map(|line| line.trim_end()).skip_while(|line| line.is_empty());
    let kind = lines.next()?.split(':').next()?;
    let is_name = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_');
    let mut frames = lines.take_while(|line| line.starts_with(' ') || line.is_empty()).filter_map(frame);
    let last = frames.next().filter(|_| kind.split('.').all(is_name))?;
    // The place in the project's own file is more useful than the one in the library that it called.
    let own = |(file, line): (&'a str, &'a str)| {
        let relative = Path::new(file).strip_prefix(root).ok()?.to_str()?;
        (!relative.contains("site-packages")).then_some((relative, line))
    };
    let (file, line) = own(last).or_else(|| frames.find_map(own)).unwrap_or(last);
    Some(Mistake { kind, file, line })
}

/// `  File "/home/me/server.py", line 7, in <module>`.
fn frame(line: &str) -> Option<(&str, &str)> {
    let (file, rest) = line.trim_start().strip_prefix("File \"")?.split_once("\", line ")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    (digits > 0).then_some((file, &rest[..digits]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<String> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        mistake(&lines, Path::new("/p")).map(|found| format!("{} {}:{}", found.kind, found.file, found.line))
    }

    #[test]
    fn the_error_at_the_end_of_the_output_is_found_where_it_is_the_projects_own() {
        let syntax = "INFO: up\nTraceback (most recent call last):\n  File \"<string>\", line 1, in <module>\n    \
                      x()\n  File \"/p/server.py\", line 31\n    def x(:\n          ^\nSyntaxError: invalid syntax\n";
        assert_eq!(found(syntax).unwrap(), "SyntaxError server.py:31");
        let library = "Traceback (most recent call last):\n  File \"/p/app/a.py\", line 7, in <module>\n    import b\n  \
                       File \"/p/.venv/lib/python3/site-packages/b.py\", line 2, in <module>\n    1/0\n\
                       b.Strange.Error: sk-secret\n\n";
        assert_eq!(found(library).unwrap(), "b.Strange.Error app/a.py:7");
        let elsewhere = "  File \"/usr/lib/python3/x.py\", line 2, in f\n    1/0\nZeroDivisionError: 1\n";
        assert_eq!(found(elsewhere).unwrap(), "ZeroDivisionError /usr/lib/python3/x.py:2");
    }

    #[test]
    fn what_it_went_on_after_is_not_why_it_does_not_answer_now() {
        let error = "  File \"/p/a.py\", line 2, in f\n    1/0\nZeroDivisionError: 1\n";
        assert!(found(error).is_some());
        for text in
            [&format!("{error}INFO: up\n"), "INFO: up\n", "", "not a name: at all\n", "  File \"/p/a.py\"\n"]
        {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
