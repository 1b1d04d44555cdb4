//! What a line typed into a conversation means: something to say, or an order with a slash.

use std::path::PathBuf;

/// What the orders are, for `/help`.
pub(super) const HELP: &str = "\
/model [NAME]   show the models, or go on with another one
/system [TEXT]  tell the model how to behave, or take that back
/new            forget what was said
/save FILE      write the conversation to a new file, as Markdown
/quit           leave, as Ctrl-D does

Ctrl-C stops an answer. Arrow-up brings back what you wrote.";

/// A line, read.
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
    /// An order that is none, or lacks something; with what to do about it.
    Unclear(String),
}

impl Command {
    /// Reads a line. A slash that is part of a path or of mathematics further on is nothing special.
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
            ("save", "") => Self::Unclear("where to? Write: /save FILE".to_owned()),
            ("save", file) => Self::Save(PathBuf::from(file)),
            ("help" | "?", _) => Self::Help,
            ("quit" | "exit" | "bye", _) => Self::Quit,
            (word, _) => Self::Unclear(format!("there is no /{word}; /help lists what there is")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("/save", Command::Unclear(own("where to? Write: /save FILE"))),
            ("/tmp/x", Command::Unclear(own("there is no /tmp/x; /help lists what there is"))),
        ] {
            assert_eq!(Command::read(line), command, "{line:?}");
        }
    }
}
