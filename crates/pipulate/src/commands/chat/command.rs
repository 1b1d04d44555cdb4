//! A line typed into a conversation: a message, or a command with a slash.

use std::path::PathBuf;

use pipulate_core::text::is_harmless;

/// The text of `/help`.
pub(super) const HELP: &str = "\
/model [NAME]   show the models, or switch to another one
/system [TEXT]  tell the model how to behave, or remove that
/new            start a new conversation
/save FILE      write the conversation to a new file, as Markdown
/help           show this
/quit           leave, as Ctrl-D does

Ctrl-C stops an answer. Arrow-up brings back what you wrote, and Tab completes
commands and models. What you paste is one question, however many lines it has.";

/// The commands for Tab completion. Those with an argument end with a space.
const ORDERS: [&str; 6] = ["/help", "/model ", "/new", "/quit", "/save ", "/system "];

/// The start of the word that is being typed, and its completions.
pub(super) fn completions(typed: &str, models: &[String]) -> (usize, Vec<String>) {
    let beginning = |word: &str, all: &mut dyn Iterator<Item = &str>| {
        all.filter(|whole| whole.starts_with(word)).map(str::to_owned).collect()
    };
    match typed.strip_prefix("/model ") {
        Some(word) => {
            // The line editor writes them to the terminal itself.
            let harmless = |model: &&str| model.chars().all(is_harmless);
            let mut models = models.iter().map(String::as_str).filter(harmless);
            (typed.len() - word.len(), beginning(word, &mut models))
        }
        None if typed.starts_with('/') => (0, beginning(typed, &mut ORDERS.into_iter())),
        None => (0, Vec::new()),
    }
}

/// A parsed line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Nothing,
    Say(String),
    ShowModels,
    ChangeModel(String),
    Instruct(String),
    New,
    Save(PathBuf),
    Help,
    Quit,
    /// An unknown or incomplete command; with advice.
    Unclear(String),
}

impl Command {
    /// Parses a line. A slash that begins a path or mathematics is no command.
    pub(super) fn read(line: &str) -> Self {
        let line = line.trim();
        let Some(order) = line.strip_prefix('/') else {
            return if line.is_empty() { Self::Nothing } else { Self::Say(line.to_owned()) };
        };
        let (word, rest) = order.split_once(char::is_whitespace).unwrap_or((order, ""));
        let rest = rest.trim();
        match (word, rest) {
            ("model", "") => Self::ShowModels,
            ("model", name) => Self::ChangeModel(name.to_owned()),
            ("system", text) => Self::Instruct(text.to_owned()),
            ("new" | "clear", _) => Self::New,
            ("save", "") => Self::Unclear("name a file: /save FILE".to_owned()),
            ("save", file) => Self::Save(PathBuf::from(file)),
            ("help" | "?", _) => Self::Help,
            ("quit" | "exit" | "bye", _) => Self::Quit,
            (word, _) => Self::Unclear(format!("unknown command /{word}; /help lists the commands")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_models_are_completed_and_nothing_else() {
        let models = ["llama3.1:latest", "llama3.2:1b", "qwen3:4b"].map(str::to_owned);
        let hostile = ["llama\x1b]52;c;QQ==\x07".to_owned(), "llama\u{202e}".to_owned()];
        assert_eq!(completions("/model l", &hostile).1, [""; 0], "they would steer the terminal");
        let completed = |typed| completions(typed, &models);
        assert_eq!(completed("/mo"), (0, vec!["/model ".to_owned()]));
        assert_eq!(completed("/s").1, ["/save ", "/system "]);
        assert_eq!(completed("/model llama3.2"), (7, vec!["llama3.2:1b".to_owned()]));
        assert_eq!(completed("/model ").1, models);
        assert_eq!(completed("what is /mo"), (0, vec![]));
        for order in ORDERS {
            assert!(HELP.contains(order.trim_end()), "{order}");
            let known = Command::read(&format!("{order}x"));
            assert!(order.ends_with(' ') != matches!(known, Command::Unclear(_)), "{order}: {known:?}");
        }
    }

    #[test]
    fn a_line_is_something_to_say_or_an_order() {
        let own = str::to_owned;
        for (line, command) in [
            ("  ", Command::Nothing),
            (" What is 1/2? ", Command::Say(own("What is 1/2?"))),
            ("/model", Command::ShowModels),
            ("/model  qwen3:4b", Command::ChangeModel(own("qwen3:4b"))),
            ("/system Be brief.", Command::Instruct(own("Be brief."))),
            ("/system", Command::Instruct(String::new())),
            ("/new", Command::New),
            ("/save my talk.md", Command::Save("my talk.md".into())),
            ("/help", Command::Help),
            ("/bye", Command::Quit),
            ("/save", Command::Unclear(own("name a file: /save FILE"))),
            ("/tmp/x", Command::Unclear(own("unknown command /tmp/x; /help lists the commands"))),
        ] {
            assert_eq!(Command::read(line), command, "{line:?}");
        }
    }
}
