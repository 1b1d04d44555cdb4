//! Program, arguments and environment of a new process, prepared before the fork.
//!
//! Not by execvp(3), which passes a file without a known format to `sh`: a command is data, and no shell
//! reads text that was not written for it.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::os;

/// Ready for execve(2) in a process that may not allocate any more.
pub(crate) struct Image {
    /// The program's possible paths, in the order of trying.
    candidates: Vec<CString>,
    /// The value of `PATH` in its environment.
    path: Option<OsString>,
    arguments: Strings,
    environment: Strings,
}

/// An array of C strings.
struct Strings {
    /// Into `texts`; the last one is null.
    pointers: Vec<*const libc::c_char>,
    texts: Vec<CString>,
}

#[expect(unsafe_code, reason = "the pointers go where the texts go")]
// SAFETY: the texts never change, and the pointers are into their heap memory, which never moves.
unsafe impl Send for Strings {}
#[expect(unsafe_code, reason = "the pointers go where the texts go")]
// SAFETY: as above; nothing can be changed through a shared reference.
unsafe impl Sync for Strings {}

impl Image {
    /// Looks a bare program name up on the `PATH` of `environment`.
    ///
    /// # Errors
    /// A word or a variable contains a NUL byte.
    pub(crate) fn new(command: &[OsString], environment: &BTreeMap<OsString, OsString>) -> io::Result<Self> {
        let program = command.first().map(OsString::as_os_str).unwrap_or_default();
        let path = environment.get(OsStr::new("PATH")).map(OsString::as_os_str);
        let candidates = candidates(program, path).into_iter().map(|path| text(path.into_os_string()));
        let variable = |(name, value): (&OsString, &OsString)| {
            let mut both = name.clone();
            both.push("=");
            both.push(value);
            both
        };
        Ok(Self {
            candidates: candidates.collect::<io::Result<_>>()?,
            path: path.map(OsStr::to_owned),
            arguments: Strings::new(command.iter().cloned())?,
            environment: Strings::new(environment.iter().map(variable))?,
        })
    }

    /// Executes the image; returns only on failure. Async-signal-safe.
    #[expect(unsafe_code, reason = "execve has no form that does not allocate")]
    pub(crate) fn exec(&self) -> io::Error {
        let mut forbidden = false;
        for candidate in &self.candidates {
            let (arguments, environment) = (&self.arguments.pointers, &self.environment.pointers);
            // SAFETY: all three are NUL-terminated, and the lists end with a null pointer.
            unsafe { libc::execve(candidate.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR) => {}
                Some(libc::EACCES) => forbidden = true,
                _ => return error,
            }
        }
        io::Error::from_raw_os_error(if forbidden { libc::EACCES } else { libc::ENOENT })
    }
    /// Checks whether [`Image::exec`] would fail in `directory`, without executing anything. A format known
    /// only to the kernel counts as executable.
    pub(crate) fn try_out(&self, directory: &Path) -> io::Result<()> {
        self.arguments.fit()?;
        self.environment.fit()?;
        let mut forbidden = false;
        for candidate in &self.candidates {
            let path = directory.join(OsStr::from_bytes(candidate.to_bytes()));
            match check_program(&path, directory, self.path.as_deref(), 0) {
                Ok(()) => return Ok(()),
                Err(error) => match error.raw_os_error() {
                    Some(libc::ENOENT | libc::ENOTDIR) => {}
                    Some(libc::EACCES) => forbidden = true,
                    _ => return Err(error),
                },
            }
        }
        Err(io::Error::from_raw_os_error(if forbidden { libc::EACCES } else { libc::ENOENT }))
    }
}

/// Makes the checks of execve(2) and, after `#!/usr/bin/env`, of env(1).
fn check_program(path: &Path, directory: &Path, search: Option<&OsStr>, depth: usize) -> io::Result<()> {
    let (here, effective) = (rustix::fs::CWD, rustix::fs::AtFlags::EACCESS);
    let is_allowed = || rustix::fs::accessat(here, path, rustix::fs::Access::EXEC_OK, effective).is_ok();
    if !fs::metadata(path)?.is_file() || !is_allowed() {
        return Err(io::Error::from_raw_os_error(libc::EACCES));
    }
    let mut head = Vec::new();
    match fs::File::open(path) {
        Ok(file) => file.take(256).read_to_end(&mut head)?,
        // It may be executable but not readable.
        Err(_) => return Ok(()),
    };
    let Some(line) = head.strip_prefix(b"#!") else {
        return if os::is_program(&head) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ENOEXEC)) };
    };
    let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(|byte| b" \t".contains(byte)).filter(|word| !word.is_empty());
    let Some(interpreter) = words.next() else { return Err(io::Error::from_raw_os_error(libc::ENOEXEC)) };
    if depth == os::DEEPEST_INTERPRETER {
        return Err(io::Error::from_raw_os_error(libc::ELOOP));
    }
    let interpreter = Path::new(OsStr::from_bytes(interpreter));
    check_program(&directory.join(interpreter), directory, search, depth + 1)?;
    let named = words.find(|word| *word != b"-S").filter(|word| !word.contains(&b'=') && word[0] != b'-');
    match named.filter(|_| interpreter.file_name() == Some(OsStr::new("env"))) {
        Some(named) => {
            let found = candidates(OsStr::from_bytes(named), search);
            let is_there =
                |file: &PathBuf| check_program(&directory.join(file), directory, search, depth + 1).is_ok();
            if found.iter().any(is_there) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ENOENT)) }
        }
        None => Ok(()),
    }
}

impl Strings {
    fn new(words: impl Iterator<Item = OsString>) -> io::Result<Self> {
        let texts = words.map(text).collect::<io::Result<Vec<CString>>>()?;
        let pointers = texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect();
        Ok(Self { pointers, texts })
    }

    /// Checks that no string is longer than the limit of execve(2); the limit for their total is far higher.
    fn fit(&self) -> io::Result<()> {
        match self.texts.iter().any(|text| text.as_bytes_with_nul().len() > os::LONGEST_WORD) {
            true => Err(io::Error::from_raw_os_error(libc::E2BIG)),
            false => Ok(()),
        }
    }
}

fn text(word: OsString) -> io::Result<CString> {
    CString::new(word.into_vec()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

fn candidates(program: &OsStr, path: Option<&OsStr>) -> Vec<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return vec![PathBuf::from(program)];
    }
    // An empty entry would mean the current folder, which `::` is never meant to be.
    let folders = std::env::split_paths(path.unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin")));
    folders.filter(|folder| *folder != Path::new("")).map(|folder| folder.join(program)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_looked_up_and_a_path_is_taken_as_it_is() {
        let path = Some(OsStr::new("/a::/b"));
        assert_eq!(candidates(OsStr::new("x"), path), [Path::new("/a/x"), Path::new("/b/x")]);
        assert_eq!(candidates(OsStr::new("./x"), path), [Path::new("./x")]);
    }

    #[test]
    fn a_nul_byte_is_refused_before_the_fork() {
        let command = [OsString::from("true"), OsString::from_vec(vec![b'a', 0])];
        assert!(Image::new(&command, &BTreeMap::new()).is_err());
    }
}
