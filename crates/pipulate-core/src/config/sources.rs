//! The places of a project's secrets according to its `pipulate.toml`, even if that is unusable.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::Config;
use super::error::{Value, values_in};
use crate::secret::says_secret;

/// The places of secrets in `pipulate.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretSources {
    /// The names in `[secrets]`.
    pub names: BTreeSet<String>,
    /// The services' `env_file`s.
    pub files: BTreeSet<PathBuf>,
    /// The services' own variables.
    pub variables: BTreeSet<(String, String)>,
}

impl SecretSources {
    /// Returns those of a configuration.
    pub fn of(config: &Config) -> Self {
        let services = config.services.iter();
        let variables = services.clone().flat_map(|service| service.env.clone());
        Self {
            names: config.secrets.iter().map(ToString::to_string).collect(),
            files: services.filter_map(|service| service.env_file.clone()).collect(),
            variables: variables.collect(),
        }
    }

    /// Returns those of an unusable file, as far as they can be found.
    pub fn salvaged(text: &str) -> Self {
        let mut sources = Self::default();
        for Value { table, key, text } in values_in(text) {
            match (table, key) {
                ("secrets", _) | (_, "required") => drop(sources.names.insert(text.to_owned())),
                (_, "env_file") => drop(sources.files.insert(PathBuf::from(text))),
                (_, _) => drop(sources.variables.insert((key.to_owned(), text.to_owned()))),
            }
        }
        sources
    }

    /// Adds others.
    pub fn extend(&mut self, others: Self) {
        self.names.extend(others.names);
        self.files.extend(others.files);
        self.variables.extend(others.variables);
    }

    /// True if the value of a variable of this name is a secret.
    pub fn is_secret(&self, key: &str) -> bool {
        says_secret(key) || self.names.contains(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_used_still_says_where_secrets_are() {
        let whole = "[secrets]\nrequired = [\"DATABASE\", \"OTHER\"]\n[services.web]\ncommand = [\"web\"]\n\
            env_file = \"web.env\"\nenv = { MY_TOKEN = \"in the file\", MODE = \"fast\" }\n";
        let sources = SecretSources::of(&Config::parse(whole).unwrap());
        assert!(sources.is_secret("DATABASE") && sources.is_secret("A_KEY") && !sources.is_secret("MODE"));
        for broken in [
            format!("{whole}prot = 1\n"),
            format!("[services.jupyter]\nport = \"x\n{whole}"),
            format!("{whole}[services.x"),
            format!("{whole}stop = {{\n"),
        ] {
            assert!(Config::parse(&broken).is_err());
            let salvaged = SecretSources::salvaged(&broken);
            let mut both = salvaged.clone();
            both.extend(sources.clone());
            assert_eq!(both, salvaged, "{broken}: nothing is missing");
        }
    }
}
