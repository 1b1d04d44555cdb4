//! What is written in `pipulate.toml`, and what the shell hands down.

use std::path::Path;

use pipulate_core::finding::Finding;

use super::{Examination, failure, skipped, warning};

/// `config.valid`.
pub(super) fn config(examination: &Examination) -> Vec<Finding> {
    const ID: &str = "config.valid";
    let file = examination.layout.config();
    vec![match &examination.config {
        Ok(_) if file.exists() => Finding::ok(ID, "pipulate.toml is valid"),
        Ok(_) => Finding::ok(ID, "There is no pipulate.toml: everything has its default"),
        Err(error) => failure(ID, "pipulate.toml can't be read")
            .detail(format!("{file}: {}", error.message))
            .advice("mend that line; README.md lists the keys"),
    }]
}

/// `shell.library_path`.
pub(super) fn library_path(examination: &Examination) -> Vec<Finding> {
    const ID: &str = "shell.library_path";
    let variable = examination.session.surroundings.variable("LD_LIBRARY_PATH");
    let Some(value) = variable else { return vec![Finding::ok(ID, "LD_LIBRARY_PATH is not set")] };
    if examination.session.macos {
        return vec![skipped(ID, "LD_LIBRARY_PATH means nothing on macOS")];
    }
    vec![library_path_of(ID, &value.to_string_lossy(), Path::is_dir)]
}

fn library_path_of(id: &'static str, value: &str, is_folder: impl Fn(&Path) -> bool) -> Finding {
    let problem = |part: &str| match part {
        "" => {
            Some("an empty part, which means the current folder: a library there would be loaded".to_owned())
        }
        part if !part.starts_with('/') => Some(format!("{part}, which depends on the current folder")),
        part if !is_folder(Path::new(part)) => Some(format!("{part}, which is not there")),
        _ => None,
    };
    // The dynamic loader takes a semicolon for a colon.
    let parts: Vec<(&str, Option<String>)> =
        value.split([':', ';']).map(|part| (part, problem(part))).collect();
    let problems: Vec<&str> = parts.iter().filter_map(|(_, problem)| problem.as_deref()).collect();
    if problems.is_empty() {
        return Finding::ok(id, "Every folder of LD_LIBRARY_PATH is there");
    }
    let good: Vec<&str> =
        parts.iter().filter(|(_, problem)| problem.is_none()).map(|(part, _)| *part).collect();
    let advice = match good.as_slice() {
        [] => "run: unset LD_LIBRARY_PATH".to_owned(),
        good => format!("run: export LD_LIBRARY_PATH={}", good.join(":")),
    };
    warning(id, "LD_LIBRARY_PATH has parts that lead nowhere good")
        .detail(format!("LD_LIBRARY_PATH={value} holds {}", problems.join("; ")))
        .advice(format!("{advice} (and look for the line that sets it, in your shell's start-up file)"))
}

#[cfg(test)]
mod tests {
    use pipulate_core::finding::FindingStatus;

    use super::*;

    #[test]
    fn a_library_path_is_fine_when_each_part_is_a_folder() {
        let examine = |value| library_path_of("shell.library_path", value, |path| path.starts_with("/good"));
        assert_eq!(examine("/good/a:/good/b").status, FindingStatus::Ok);
        for (value, advice) in [
            ("/good/a:", "export LD_LIBRARY_PATH=/good/a "),
            (":/good/a:/good/b", "export LD_LIBRARY_PATH=/good/a:/good/b "),
            ("/good/a::/gone", "export LD_LIBRARY_PATH=/good/a "),
            ("lib", "unset LD_LIBRARY_PATH "),
            (":", "unset LD_LIBRARY_PATH "),
        ] {
            let finding = examine(value);
            assert_eq!(finding.status, FindingStatus::Warning, "{value}");
            assert!(finding.fix.unwrap().text.contains(advice), "{value}");
        }
    }
}
