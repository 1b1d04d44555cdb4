//! `${NAME}` and `${NAME:-default}` inside a value, as python-dotenv fills them in.

/// Replaces every variable in `value`. `lookup` gives `None` for a name that is nowhere.
///
/// A name may hold anything but `}` and `:`; what only looks like a variable stays as it is.
pub(super) fn interpolate(value: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut result = String::new();
    let mut rest = value;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        result.push_str(before);
        match read_variable(from) {
            Some(variable) => {
                let found = lookup(variable.name);
                result.push_str(&found.unwrap_or_else(|| variable.default.unwrap_or_default().to_owned()));
                rest = &from[variable.length..];
            }
            None => {
                result.push('$');
                rest = &from[1..];
            }
        }
    }
    result + rest
}

struct Variable<'a> {
    name: &'a str,
    default: Option<&'a str>,
    /// All of it, with `${` and `}`.
    length: usize,
}

fn read_variable(text: &str) -> Option<Variable<'_>> {
    let inner = text.strip_prefix("${")?;
    let name = &inner[..inner.find(['}', ':'])?];
    let after = &inner[name.len()..];
    if after.starts_with('}') {
        return Some(Variable { name, default: None, length: 2 + name.len() + 1 });
    }
    let default = after.strip_prefix(":-")?;
    let default = &default[..default.find('}')?];
    Some(Variable { name, default: Some(default), length: 2 + name.len() + 2 + default.len() + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in() {
        let lookup = |name: &str| (name == "A").then(|| "1".to_owned());
        for (value, filled) in [
            ("x${A}y${A}", "x1y1"),
            ("${B}", ""),
            ("${B:-two}", "two"),
            ("${A:-two}", "1"),
            ("${B:-}", ""),
            ("${B:-${A}}", "${A}"),
            ("$A ${A", "$A ${A"),
            ("${A:two}", "${A:two}"),
            ("$${A}", "$1"),
            ("${x${A}", ""),
            ("${:-$}{A}", "${A}"),
        ] {
            assert_eq!(interpolate(value, lookup), filled, "{value}");
        }
    }
}
