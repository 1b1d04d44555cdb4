//! The two bare words, `start` and `stop`: small scripts in the venv's `bin/`.
//!
//! A foreign file with that name is never changed. Our own is only rewritten if it differs.

use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pipulate_core::text::quoted_for_sh;
use pipulate_store::error::StoreError;
use pipulate_store::files;

use crate::surroundings::Surroundings;
use crate::template::fill;

/// The verbs with bare words.
pub(crate) const WORDS: [&str; 2] = ["start", "stop"];

const TEMPLATE: &str = include_str!("bare-word.sh");

/// Our files are identified by their second line.
const OURS: &[u8] = b"#!/bin/sh\n# Made by pipulate, and made again when it changes";

/// The reason why a bare word was not written.
#[derive(Debug, thiserror::Error)]
pub enum BareWordError {
    #[error("{} was not created by Pipulate and was not changed; the bare word {word} won't run Pipulate here", .path.display())]
    NotOurs { path: PathBuf, word: &'static str },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes both to the venv, for that project; they run the first existing file of `programs`.
/// Returns the errors.
pub fn write_all(venv: &Path, project: &Path, programs: &[PathBuf]) -> Vec<String> {
    let failed = WORDS.into_iter().filter_map(|word| write(venv, project, programs, word).err());
    failed.map(|error| error.to_string()).collect()
}

/// Makes the existing words of that project run these programs from now on. Returns the errors.
pub fn refresh(venv: &Path, project: &Path, programs: &[PathBuf]) -> Vec<String> {
    let line = [b"\nproject=", &*quoted_for_sh(project.as_os_str().as_bytes()), b"\n"].concat();
    let is_of_project = |word: &&str| {
        let script = files::read_foreign(&venv.join("bin").join(word)).unwrap_or_default();
        script.starts_with(OURS) && script.windows(line.len()).any(|window| window == line)
    };
    let failed = WORDS.into_iter().filter(is_of_project);
    failed
        .filter_map(|word| write(venv, project, programs, word).err())
        .map(|error| error.to_string())
        .collect()
}

/// Returns true if the word in this `bin/` folder is one of ours.
pub fn is_there(bin: &Path, word: &str) -> bool {
    files::read_foreign(&bin.join(word)).is_ok_and(|script| script.starts_with(OURS))
}

/// The command to start or stop the project of this `bin/` folder: the bare word, if the shell finds ours
/// under that name.
pub fn typed(bin: &Path, word: &'static str, around: &Surroundings) -> String {
    let found = around.programs(word).next();
    let is_ours = found.is_some_and(|program| program.parent() == Some(bin)) && is_there(bin, word);
    if is_ours { word.to_owned() } else { format!("pipulate {word}") }
}

/// Writes one word; returns false if it was already up to date.
///
/// # Errors
/// The file is not ours, or can't be written.
pub fn write(
    venv: &Path,
    project: &Path,
    programs: &[PathBuf],
    word: &'static str,
) -> Result<bool, BareWordError> {
    let path = venv.join("bin").join(word);
    let wanted = script(project, programs, word);
    match files::read_foreign(&path) {
        Ok(there) if there == wanted && crate::surroundings::is_executable(&path) => return Ok(false),
        Ok(there) if !there.starts_with(OURS) => return Err(BareWordError::NotOurs { path, word }),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err() => {}
        Err(_) => return Err(BareWordError::NotOurs { path, word }),
    }
    replace(&path, &wanted).map_err(StoreError::io("write", &path))?;
    Ok(true)
}

/// Atomic: a shell may be reading the old file.
fn replace(path: &Path, script: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut file = tempfile::Builder::new().prefix(".word-").tempfile_in(folder)?;
    file.write_all(script)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o755))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn script(project: &Path, programs: &[PathBuf], word: &str) -> Vec<u8> {
    let quoted = |path: &Path| quoted_for_sh(path.as_os_str().as_bytes());
    let project = quoted(project);
    let programs = programs.iter().map(|program| quoted(program)).collect::<Vec<_>>().join(&b' ');
    fill(TEMPLATE, &[("PROJECT", &project), ("PROGRAMS", &programs), ("VERB", word.as_bytes())])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pipulate_process::command::{Command, End, Output};

    use super::*;

    const WEIRD: &str = "it's \"a\" $HOME\n`id` \\ ü*";

    struct Home {
        folder: tempfile::TempDir,
    }

    impl Home {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join(WEIRD).join("bin")).unwrap();
            Self { folder }
        }

        fn venv(&self) -> PathBuf {
            self.folder.path().join(WEIRD)
        }

        /// A program that prints its arguments, each in brackets.
        fn program(&self, folder: &str) -> PathBuf {
            let folder = self.folder.path().join(folder);
            fs::create_dir_all(&folder).unwrap();
            let program = folder.join("pipulate");
            fs::write(&program, "#!/bin/sh\nprintf '[%s]' \"$@\"\n").unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            program
        }

        fn run(&self, word: &str, path: &str) -> Output {
            Command::new(self.venv().join("bin").join(word))
                .args(["a b", "$c"])
                .directory("/")
                .env("PATH", path)
                .output(Duration::from_secs(60))
                .unwrap()
        }
    }

    #[test]
    fn the_words_start_the_program_for_their_project_from_any_folder() {
        let home = Home::new();
        let program = home.program(WEIRD);
        assert!(write_all(&home.venv(), Path::new(WEIRD), &[program]).is_empty());
        for word in WORDS {
            let output = home.run(word, "/usr/bin:/bin");
            assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("[-C][{WEIRD}][{word}][a b][$c]"));
        }
    }

    #[test]
    fn a_program_that_is_gone_is_looked_for_on_path_and_missed_in_words() {
        let home = Home::new();
        write_all(&home.venv(), Path::new("/p"), &["/gone/pipulate".into(), "/gone/copy".into()]);
        let found = home.program("other");
        let path = format!("{}:/usr/bin:/bin", found.parent().unwrap().display());
        assert_eq!(home.run("stop", &path).stdout, b"[-C][/p][stop][a b][$c]");
        // A copy takes precedence over PATH.
        let copy = home.program(WEIRD);
        write_all(&home.venv(), Path::new("/p"), &["/gone/pipulate".into(), copy]);
        assert_eq!(home.run("start", &path).stdout, b"[-C][/p][start][a b][$c]");
        write_all(&home.venv(), Path::new("/p"), &["/gone/pipulate".into(), "/gone/copy".into()]);
        let missed = home.run("stop", "/usr/bin:/bin");
        let words = String::from_utf8(missed.stderr).unwrap();
        assert_eq!(missed.end, End::Code(127));
        assert!(words.contains("stop: pipulate is gone from /gone/pipulate"), "{words}");
    }

    #[test]
    fn a_word_is_rewritten_only_when_it_differs() {
        let home = Home::new();
        let wrote = |program: &str| write(&home.venv(), Path::new("/p"), &[program.into()], "start").unwrap();
        assert!(wrote("/a/pipulate"));
        assert!(!wrote("/a/pipulate"));
        assert!(wrote("/b/pipulate"));
    }

    #[test]
    fn only_words_of_the_same_project_are_refreshed() {
        let home = Home::new();
        let script = || fs::read(home.venv().join("bin/start")).unwrap_or_default();
        let [one, other]: [&[PathBuf]; 2] = [&["/a/pipulate".into()], &["/b/pipulate".into()]];
        refresh(&home.venv(), Path::new("/p"), one);
        assert_eq!(script(), b"", "there is none");
        write_all(&home.venv(), Path::new("/p"), one);
        let before = script();
        refresh(&home.venv(), Path::new("/q"), other);
        assert_eq!(script(), before);
        assert!(refresh(&home.venv(), Path::new("/p"), other).is_empty());
        assert!(script() != before);
    }

    #[test]
    fn the_bare_word_is_what_is_typed_where_the_shell_finds_ours_under_it() {
        let home = Home::new();
        let bin = home.venv().join("bin");
        let around = |path: &str| Surroundings::default().with("PATH", format!("{path}:/usr/bin:/bin"));
        let inside = around(bin.to_str().unwrap());
        assert_eq!(typed(&bin, "start", &inside), "pipulate start", "there is none yet");
        write_all(&home.venv(), Path::new("/p"), &["/pipulate".into()]);
        assert_eq!(typed(&bin, "start", &inside), "start");
        assert_eq!(typed(&bin, "start", &around("/usr/local/bin")), "pipulate start");
        let other = home.folder.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::copy(bin.join("start"), other.join("start")).unwrap();
        let hidden = around(&format!("{}:{}", other.display(), bin.display()));
        assert_eq!(typed(&bin, "start", &hidden), "pipulate start", "another project's comes first");
    }

    #[test]
    fn a_file_that_is_not_ours_stays() {
        let home = Home::new();
        let path = home.venv().join("bin/start");
        fs::write(&path, "#!/bin/sh\necho mine\n").unwrap();
        let notes = write_all(&home.venv(), Path::new("/p"), &["/pipulate".into()]);
        assert!(notes.len() == 1 && notes[0].contains("was not created by Pipulate"), "{notes:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "#!/bin/sh\necho mine\n");
        assert!(home.venv().join("bin/stop").exists());
    }
}
