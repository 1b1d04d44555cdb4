//! The files of `/proc/PID` that show a process's memory and descriptors.
//!
//! The kernel shows those of its first thread. They are gone once that thread has ended, although the process
//! runs on in another one (`pthread_exit` in C's `main`); and during an execve(2) its memory shows neither
//! arguments nor environment for a moment.

use std::fs::{self, DirEntry, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use pipulate_core::identity::Pid;
use rustix::buffer::spare_capacity;

/// How long to wait for an exec to complete; one from an unreachable network disk never does.
const EXEC_PATIENCE: Duration = Duration::from_secs(1);
/// Poll interval during an exec: nothing reports that another process's exec is complete.
const EXEC_POLL: Duration = Duration::from_micros(200);

/// Reads a file of `/proc` to its end: one read(2) returns at most a page.
pub(super) fn read(path: &str) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    loop {
        bytes.reserve(PAGE);
        let count = rustix::io::retry_on_intr(|| rustix::io::read(&file, spare_capacity(&mut bytes)))?;
        if count < ALMOST_A_PAGE {
            return Ok(bytes);
        }
    }
}

const PAGE: usize = 4096;
/// A shorter read has reached the end: seq_read_iter in the kernel's fs/seq_file.c fills a page with all
/// entries for which there is room.
const ALMOST_A_PAGE: usize = PAGE / 2;

/// A part of a process's memory that `/proc/PID` shows as a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Arguments,
    Environment,
}

/// Reads a part of a process's memory. Waits for an exec to complete: without its marker, a process in the
/// middle of one would look foreign.
pub(super) fn of_memory(pid: Pid, part: Part) -> io::Result<Vec<u8>> {
    let name = match part {
        Part::Arguments => "cmdline",
        Part::Environment => "environ",
    };
    let begun = Instant::now();
    loop {
        let found = read(&format!("/proc/{pid}/{name}"));
        let is_hidden = match &found {
            Ok(bytes) => bytes.is_empty(),
            Err(error) => error.kind() != ErrorKind::PermissionDenied,
        };
        if !is_hidden {
            return found;
        }
        let stat = read(&format!("/proc/{pid}/stat")).unwrap_or_default();
        match Stat::parse(&stat).map_or(Hidden::Empty, |stat| why_hidden(pid, &stat, part)) {
            Hidden::ElsewhereIn(thread) => return read(&format!("{thread}/{name}")),
            _ if begun.elapsed() >= EXEC_PATIENCE => return found,
            Hidden::Empty => return found,
            Hidden::InExec => std::thread::sleep(EXEC_POLL),
        }
    }
}

/// Why a file of `/proc/PID` shows no memory.
#[derive(Debug, PartialEq, Eq)]
enum Hidden {
    /// The first thread has ended; this one shows it.
    ElsewhereIn(String),
    /// Nothing to show: kernel threads and ending processes have no memory.
    Empty,
    /// The process has the memory of a new program, and the kernel has not put the program's arguments and
    /// environment there yet: `load_elf_binary` in fs/binfmt_elf.c sets the start of the code after them. Or
    /// this happened after the file was read.
    InExec,
}

fn why_hidden(pid: Pid, stat: &Stat<'_>, part: Part) -> Hidden {
    if stat.runs_on_in_others() {
        return other_threads(pid).next().map_or(Hidden::Empty, Hidden::ElsewhereIn);
    }
    let field = |number| stat.field::<u64>(number).unwrap_or(0);
    let bounds = match part {
        Part::Arguments => (field(48), field(49)),
        Part::Environment => (field(50), field(51)),
    };
    match (field(MEMORY_SIZE), field(START_OF_CODE)) {
        // 1 replaces an address that we may not see.
        (0, _) | (_, 1) => Hidden::Empty,
        (_, 0) if *SHOWS_ADDRESSES => Hidden::InExec,
        (_, 0) => Hidden::Empty,
        (_, _) if bounds.0 == bounds.1 => Hidden::Empty,
        (_, _) => Hidden::InExec,
    }
}

/// Numbers of fields in proc_pid_stat(5).
const THREADS: usize = 20;
const MEMORY_SIZE: usize = 23;
const START_OF_CODE: usize = 26;

/// True if this system shows where a process's code starts.
static SHOWS_ADDRESSES: LazyLock<bool> = LazyLock::new(|| {
    let text = read("/proc/self/stat").unwrap_or_default();
    Stat::parse(&text).and_then(|own| own.field::<u64>(START_OF_CODE)).is_some_and(|start| start != 0)
});

/// Returns the open descriptors of a process, as entries of a folder `fd`; none if we lack permission.
pub(super) fn descriptors(pid: Pid) -> Vec<DirEntry> {
    let list = |folder: String| -> Vec<DirEntry> {
        fs::read_dir(folder + "/fd").map(|entries| entries.flatten().collect()).unwrap_or_default()
    };
    let first = list(format!("/proc/{pid}"));
    if !first.is_empty() {
        return first;
    }
    other_thread(pid).map(list).unwrap_or_default()
}

/// True if it has a file open with this path's name that is not the file at the path now.
pub(crate) fn holds_another(pid: Pid, path: &Path) -> bool {
    let file = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let there = file(path);
    descriptors(pid).into_iter().map(|descriptor| descriptor.path()).any(|descriptor| {
        let target = fs::read_link(&descriptor).map(super::without_deleted_mark);
        target.is_ok_and(|target| target.file_name() == path.file_name()) && file(&descriptor) != there
    })
}

/// Returns its working directory.
pub(super) fn working_directory(pid: Pid) -> Option<PathBuf> {
    let first = fs::read_link(format!("/proc/{pid}/cwd"));
    first.or_else(|error| fs::read_link(other_thread(pid).ok_or(error)? + "/cwd")).ok()
}

/// The fields of `/proc/PID/stat` of a process or of one of its threads, from its state on.
pub(super) struct Stat<'a> {
    pub(super) name: String,
    fields: Vec<&'a str>,
}

impl<'a> Stat<'a> {
    /// The name may contain any byte, including parentheses and spaces: the fields begin after the last `)`.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let open = text.iter().position(|&b| b == b'(')?;
        let close = text.iter().rposition(|&b| b == b')')?;
        let name = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
        let rest = std::str::from_utf8(text.get(close + 2..)?).ok()?;
        Some(Self { name, fields: rest.split_ascii_whitespace().collect() })
    }

    /// Returns a field by its number in proc_pid_stat(5), which counts from 1 and from the pid.
    pub(super) fn field<T: std::str::FromStr>(&self, number: usize) -> Option<T> {
        self.fields.get(number - 3)?.parse().ok()
    }

    /// True if this thread has ended; the process has ended only if all of its threads have.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.fields.first(), Some(&("Z" | "X" | "x")))
    }

    /// Returns the number of threads of its process.
    pub(super) fn threads(&self) -> Option<u64> {
        self.field(THREADS)
    }

    /// True if this thread has ended and there are others, which may have ended by now.
    pub(super) fn runs_on_in_others(&self) -> bool {
        self.has_ended() && self.threads().is_some_and(|threads| threads > 1)
    }
}

/// Returns the folders of a process's running threads if its first thread has ended.
pub(super) fn other_threads(pid: Pid) -> impl Iterator<Item = String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let folders = threads.map(|thread| thread.path().to_string_lossy().into_owned());
    folders.filter(|folder| {
        let text = read(&format!("{folder}/stat")).unwrap_or_default();
        Stat::parse(&text).is_some_and(|thread| !thread.has_ended())
    })
}

/// Returns one of [`other_threads`]; `None` while the first thread runs.
fn other_thread(pid: Pid) -> Option<String> {
    let text = read(&format!("/proc/{pid}/stat")).ok()?;
    Stat::parse(&text).filter(Stat::runs_on_in_others)?;
    other_threads(pid).next()
}

/// True if a process has given up its memory: it is ending or has ended.
pub(crate) fn is_ending(pid: Pid) -> bool {
    let text = read(&format!("/proc/{pid}/stat")).unwrap_or_default();
    let Some(first) = Stat::parse(&text) else { return true };
    let runs_on = first.runs_on_in_others() && other_threads(pid).next().is_some();
    !runs_on && first.field(MEMORY_SIZE) == Some(0_u64)
}

#[cfg(test)]
mod tests;
