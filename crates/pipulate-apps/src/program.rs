//! The text of the programs.

const PROGRAM: &str = include_str!("../python/app.py");

/// The program for a notebook, whose path is relative to the project.
pub(crate) fn program(title: &str, notebook: &str, restart: &str) -> String {
    let literal = serde_json::Value::from(notebook).to_string();
    let (title, notebook) = (in_comment(title), in_comment(notebook));
    filled([
        ("__RESTART__", restart),
        ("\"__NOTEBOOK__\"", &literal),
        ("__NOTEBOOK__", &notebook),
        ("__TITLE__", &title),
    ])
}

/// Fills the places in one pass: a value may contain the name of a place.
fn filled(values: [(&str, &str); 4]) -> String {
    let (mut text, mut rest) = (String::new(), PROGRAM);
    let next = |rest: &str| {
        let found = values.iter().filter_map(|(place, value)| Some((rest.find(place)?, *place, *value)));
        found.min_by_key(|(at, _, _)| *at)
    };
    while let Some((at, place, value)) = next(rest) {
        text.push_str(&rest[..at]);
        text.push_str(value);
        rest = &rest[at + place.len()..];
    }
    text + rest
}

/// The notebook that a program shows, parsed from its text; the owner may have changed the quotes.
pub fn notebook_of(program: &str) -> Option<String> {
    let value = program.lines().find_map(|line| line.strip_prefix("NOTEBOOK = "))?.trim();
    let plain = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    plain.map(str::to_owned).or_else(|| serde_json::from_str(value).ok())
}

/// Escapes text so that it can't end the string or line around it.
fn in_comment(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
    text.replace('\\', "/").replace('"', "'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_title_and_no_path_leaves_the_place_that_it_is_put_into() {
        let text = program("A \"\"\"\nimport os\\", "a\"b\\c\n.ipynb", "pipulate restart x");
        assert!(text.starts_with("\"\"\"A '''import os/: a notebook"), "{text}");
        assert!(text.contains("NOTEBOOK = \"a\\\"b\\\\c\\n.ipynb\"\n"), "{text}");
        assert!(!text.contains("__NOTEBOOK__") && !text.contains("__TITLE__"));
    }

    #[test]
    fn a_program_says_which_notebook_it_shows() {
        let places = "__TITLE__ __RESTART__ __NOTEBOOK__.ipynb";
        for path in ["analysis.ipynb", "sub dir/a\"b\\c.ipynb", "größe.ipynb", places] {
            assert_eq!(notebook_of(&program("T", path, "x")).as_deref(), Some(path));
        }
        assert_eq!(notebook_of("import os\nNOTEBOOK = 'a.ipynb'\n").as_deref(), Some("a.ipynb"));
        for other in ["", "app = 1", "NOTEBOOK = Path(\"a\")", "# NOTEBOOK = \"a\""] {
            assert_eq!(notebook_of(other), None, "{other}");
        }
    }

    #[test]
    fn the_program_stays_short_enough_to_be_read() {
        let lines = PROGRAM.lines().filter(|line| !line.trim().is_empty());
        assert!(lines.count() <= 100, "the helper takes what nobody wants to change");
    }
}
