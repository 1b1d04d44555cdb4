//! What a new process becomes: program, arguments and environment, made ready before the fork.
//!
//! Not by execvp(3), which hands a file that is no program to `sh`: a command is data, and no shell
//! ever reads what was never written for one.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Ready to be executed by a process that may not allocate any more.
pub(crate) struct Image {
    /// Where the program may be, in the order in which it is tried.
    candidates: Vec<CString>,
    arguments: Strings,
    environment: Strings,
}

/// C's form of a list of strings.
struct Strings {
    /// Into `_texts`; the last one is null.
    pointers: Vec<*const libc::c_char>,
    _texts: Vec<CString>,
}

#[expect(unsafe_code, reason = "the pointers go where the texts go")]
// SAFETY: nobody changes the texts, and the pointers are into their heap memory, which never moves.
unsafe impl Send for Strings {}
#[expect(unsafe_code, reason = "the pointers go where the texts go")]
// SAFETY: as above; there is nothing that could be changed through a shared reference.
unsafe impl Sync for Strings {}

impl Image {
    /// A bare program name is looked up on the `PATH` of `environment`.
    ///
    /// # Errors
    /// A word or a variable holds a NUL byte.
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
            arguments: Strings::new(command.iter().cloned())?,
            environment: Strings::new(environment.iter().map(variable))?,
        })
    }

    /// Becomes this; returns only if that failed. Async-signal-safe.
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
}

impl Strings {
    fn new(words: impl Iterator<Item = OsString>) -> io::Result<Self> {
        let texts = words.map(text).collect::<io::Result<Vec<CString>>>()?;
        let pointers = texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect();
        Ok(Self { pointers, _texts: texts })
    }
}

fn text(word: OsString) -> io::Result<CString> {
    CString::new(word.into_vec()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

fn candidates(program: &OsStr, path: Option<&OsStr>) -> Vec<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return vec![PathBuf::from(program)];
    }
    // An empty entry would mean the current folder: nobody who writes `::` means that.
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
