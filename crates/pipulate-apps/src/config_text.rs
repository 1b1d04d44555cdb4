//! Adds a service to `pipulate.toml`, whose comments, order and spacing stay.

use pipulate_core::config::{Config, ConfigError};
use pipulate_core::service::ServiceName;
use toml_edit::{DocumentMut, Item, TableLike, value};

/// The reason why the service was not added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigTextError {
    #[error("pipulate.toml can't be read: {0}")]
    Unreadable(String),
    #[error("[services] in pipulate.toml is not a table")]
    NotATable,
    #[error("pipulate.toml would not be valid: {0}")]
    Invalid(#[from] ConfigError),
}

/// Returns the text with `[services.NAME]` for the program.
///
/// # Errors
/// The text can't be parsed, or can't contain the service.
pub(crate) fn with_service(
    text: &str,
    name: &ServiceName,
    program: &str,
    port: u16,
) -> Result<String, ConfigTextError> {
    let unreadable = |error: toml_edit::TomlError| ConfigTextError::Unreadable(error.to_string());
    let mut document: DocumentMut = text.parse().map_err(unreadable)?;
    // Comments at the end explain the table above them: the new one comes after them.
    let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
    let services = document.entry("services").or_insert_with(|| {
        let mut table = toml_edit::Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let is_inline = services.is_inline_table();
    let services = services.as_table_like_mut().ok_or(ConfigTextError::NotATable)?;
    let mut ready = toml_edit::InlineTable::new();
    ready.insert("http", "/".into());
    let fill = |service: &mut dyn TableLike| {
        service.insert("command", value(["python", program].into_iter().collect::<toml_edit::Array>()));
        service.insert("port", value(i64::from(port)));
        service.insert("ready", value(ready));
        service.insert("watch", value([program].into_iter().collect::<toml_edit::Array>()));
    };
    let item = if is_inline {
        let mut service = toml_edit::InlineTable::new();
        fill(&mut service);
        value(service)
    } else {
        let mut service = toml_edit::Table::new();
        fill(&mut service);
        service.set_position(Some(isize::MAX));
        let line_break = if trailing.is_empty() || trailing.ends_with('\n') { "" } else { "\n" };
        let space = if text.trim().is_empty() { "" } else { "\n" };
        service.decor_mut().set_prefix(format!("{trailing}{line_break}{space}"));
        Item::Table(service)
    };
    services.insert(name.as_str(), item);
    if !is_inline {
        document.set_trailing("");
    }
    let text = document.to_string();
    Config::parse(&text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(text: &str) -> Result<String, ConfigTextError> {
        with_service(text, &ServiceName::parse("analysis").unwrap(), "analysis_app.py", 5003)
    }

    const SERVICE: &str = "[services.analysis]\ncommand = [\"python\", \"analysis_app.py\"]\nport = 5003\n\
                           ready = { http = \"/\" }\nwatch = [\"analysis_app.py\"]\n";

    #[test]
    fn what_is_there_stays_byte_for_byte() {
        assert_eq!(added("").unwrap(), SERVICE);
        for before in [
            "# mine\n[project]\nname   =  'x'   # why\n",
            "[services.jupyter]\nport = 9000 # mine\n\n# worker\n[services.worker]\ncommand = [ \"a\",\n  \"b\" ]\n",
            "[project]\nname = \"x\" # no line break at the end",
            "services.worker.command = [\"a\"]\n",
            "[services.server]\n# port = 5001\n\n# a worker\n# [services.worker]\n# no line break at the end",
            "[services.server]\n# port = 5001\n\n[logs]\nkeep = 2\n# max_size\n",
        ] {
            let after = added(before).unwrap();
            let rest =
                after.strip_prefix(before.trim_end()).unwrap_or_else(|| panic!("{before}\n---\n{after}"));
            assert_eq!(
                Config::parse(&after).unwrap().service("analysis").unwrap().port,
                Some(5003),
                "{rest}"
            );
        }
    }

    #[test]
    fn services_in_one_line_stay_in_one_line() {
        let after = added("services = { worker = { command = [\"a\"] } }\n").unwrap();
        insta::assert_snapshot!(after);
    }

    #[test]
    fn what_cant_be_read_is_said() {
        assert!(matches!(added("[a"), Err(ConfigTextError::Unreadable(_))));
        assert!(matches!(added("services = 1"), Err(ConfigTextError::NotATable)));
        assert!(matches!(added("[services.x]\nno = 1"), Err(ConfigTextError::Invalid(_))));
    }
}
