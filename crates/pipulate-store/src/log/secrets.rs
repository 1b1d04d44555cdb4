//! The secrets of a home: the values of its `.env`, of its services' env files, of the services' own
//! variables whose key suggests a secret or is listed in `[secrets]`, and the tokens of its pages.

mod live;

use std::collections::BTreeSet;

use pipulate_core::config::{Config, SecretSources};
use pipulate_core::layout::Layout;
use pipulate_core::project::AbsPath;

use super::mask::Masker;
use crate::dotenv::{EnvFile, SecretValue};
use crate::{files, token};

pub use live::LiveSecrets;

/// The masker for a home's secrets, and which of them could not be read: each a sentence.
#[derive(Debug, Clone)]
pub struct HomeSecrets {
    pub masker: Masker,
    pub problems: Vec<String>,
}

/// Reads the secrets of a home. Even an unusable configuration may say where some are.
pub fn of_home(layout: &Layout, config: Option<&Config>) -> HomeSecrets {
    let sources = match config {
        Some(config) => SecretSources::of(config),
        None => files::read_foreign_text(layout.config().as_ref())
            .map_or_else(|_| SecretSources::default(), |text| SecretSources::salvaged(&text)),
    };
    let (secrets, problems) = read(layout, &sources);
    HomeSecrets { masker: Masker::new(secrets.iter().map(SecretValue::expose)), problems }
}

fn read(layout: &Layout, sources: &SecretSources) -> (Vec<SecretValue>, Vec<String>) {
    let mut secrets: Vec<SecretValue> = Vec::new();
    let mut problems = Vec::new();
    for path in env_files(layout, sources) {
        // Reading takes no lock.
        match EnvFile::new(path, layout.dotenv_lock()).known_values() {
            Ok((values, problem)) => {
                let values = values.into_iter().filter(|(key, _)| sources.is_secret(key));
                secrets.extend(values.map(|(_, value)| value));
                problems.extend(problem.map(|problem| problem.to_string()));
            }
            Err(error) => problems.push(error.to_string()),
        }
    }
    for path in [layout.token(), layout.jupyter_token()] {
        match token::existing(&path) {
            Ok(token) => secrets.extend(token.map(SecretValue::new)),
            Err(error) => problems.push(error.to_string()),
        }
    }
    secrets.extend(token::of_jupyter(layout).into_iter().map(SecretValue::new));
    let own = sources.variables.iter().filter(|(key, _)| sources.is_secret(key));
    secrets.extend(own.map(|(_, value)| SecretValue::new(value)));
    (secrets, problems)
}

/// Returns `.env`, and the env files that services use instead.
fn env_files(layout: &Layout, sources: &SecretSources) -> BTreeSet<AbsPath> {
    sources.files.iter().map(|file| layout.inside(file)).chain([layout.dotenv()]).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn secrets_come_from_the_env_file_the_configuration_and_the_tokens() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(directory.path().canonicalize().unwrap()).unwrap());
        fs::create_dir_all(layout.run()).unwrap();
        fs::write(layout.dotenv(), "API_KEY='first one'\nDATABASE=postgres://u:p@h/d\nMODE=harmless\n")
            .unwrap();
        let made = token::ensure(&layout, &layout.token()).unwrap();
        fs::create_dir(layout.jupyter_runtime()).unwrap();
        fs::write(layout.jupyter_runtime().at("jpserver-7.json"), r#"{"token": "their own"}"#).unwrap();
        fs::write(layout.inside("more.env"), "PASSWORD=elsewhere\n").unwrap();
        let file = "[secrets]\nrequired = [\"DATABASE\"]\n[services.jupyter]\nenv = { MY_TOKEN = \"from the file\" }\nenv_file = \"more.env\"";
        let config = Config::parse(file).unwrap();

        let secrets = of_home(&layout, Some(&config));
        assert_eq!(secrets.problems, Vec::<String>::new());
        let line =
            format!("first one, postgres://u:p@h/d, harmless, {made}, from the file, elsewhere, their own");
        assert_eq!(secrets.masker.mask(&line), "****, ****, harmless, ****, ****, ****, ****");
        assert_eq!(of_home(&layout, None).masker.mask("postgres://u:p@h/d"), "postgres://u:p@h/d");
    }

    #[test]
    fn a_configuration_that_cannot_be_used_hides_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(directory.path().canonicalize().unwrap()).unwrap());
        fs::create_dir_all(layout.run()).unwrap();
        fs::write(layout.dotenv(), "DATABASE=postgres\n").unwrap();
        fs::write(layout.inside("more.env"), "PASSWORD=elsewhere\n").unwrap();
        let text =
            "[secrets]\nrequired = [\"DATABASE\"]\n[services.jupyter]\nprot = 1\nenv_file = \"more.env\"\n";
        fs::write(layout.config(), text).unwrap();
        let secrets = of_home(&layout, Config::parse(text).ok().as_ref());
        assert_eq!(secrets.masker.mask("postgres elsewhere"), "**** ****");
        assert_eq!(LiveSecrets::of(&layout).masker().mask("postgres elsewhere"), "**** ****");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_and_the_rest_is_masked() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(directory.path().canonicalize().unwrap()).unwrap());
        fs::create_dir_all(layout.run()).unwrap();
        fs::write(layout.dotenv(), b"KEY=\xff\xff\xff").unwrap();
        let made = token::ensure(&layout, &layout.token()).unwrap();
        let secrets = of_home(&layout, None);
        assert!(secrets.problems[0].contains(".env"), "{:?}", secrets.problems);
        assert_eq!(secrets.masker.mask(&made), "****");
    }
}
