//! Quoting of a value so that python-dotenv reads back exactly that value, and other readers too if possible.
//!
//! Checked against python-dotenv, dotenvy and bash: the first two forms mean the same to all three.

use pipulate_core::env_error::Unwritable;

/// Some readers will see another value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    #[error(
        "only python-dotenv reads this value back exactly; a shell and other programs that read .env files don't, because of its quotes or backslashes"
    )]
    PythonOnly,
}

/// Quotes the value for the place after `KEY=`.
pub(super) fn quote(value: &str) -> Result<(String, Option<Warning>), Unwritable> {
    if value.contains('\0') {
        return Err(Unwritable::Nul);
    }
    if value.contains('\r') {
        return Err(Unwritable::CarriageReturn);
    }
    if value.contains("${") {
        return Err(Unwritable::Interpolation);
    }
    if !value.contains('\'') && !value.contains(r"\\") && !value.ends_with('\\') {
        return Ok((format!("'{value}'"), None));
    }
    if !value.contains(['"', '$', '\\', '!', '`']) {
        return Ok((format!("\"{value}\""), None));
    }
    let escaped = value.replace('\\', r"\\").replace('\'', r"\'");
    Ok((format!("'{escaped}'"), Some(Warning::PythonOnly)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_gets_the_plainest_form_that_holds_it() {
        for (value, written, warned) in [
            ("", "''", false),
            ("a b#c $HOME \"x\"", "'a b#c $HOME \"x\"'", false),
            (r"c:\new", r"'c:\new'", false),
            ("two\nlines", "'two\nlines'", false),
            ("it's #1", "\"it's #1\"", false),
            ("it's $1", r"'it\'s $1'", true),
            (r"\\server\share", r"'\\\\server\\share'", true),
            (r"ends in \", r"'ends in \\'", true),
        ] {
            let warning = warned.then_some(Warning::PythonOnly);
            assert_eq!(quote(value), Ok((written.to_owned(), warning)), "{value}");
        }
    }

    #[test]
    fn what_the_format_can_not_hold_is_refused() {
        assert_eq!(quote("a\0"), Err(Unwritable::Nul));
        assert_eq!(quote("a\r\nb"), Err(Unwritable::CarriageReturn));
        assert_eq!(quote("pa${ss"), Err(Unwritable::Interpolation));
    }
}
