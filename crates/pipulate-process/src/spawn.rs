//! Starting a process that outlives us: a new session, default signal handlers, its output to a given
//! descriptor.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{SigSet, SigmaskHow};
use pipulate_core::identity::Pid;

use crate::image::Image;

/// The parameters of a start.
#[derive(Debug)]
pub struct Start<'a> {
    /// Program and arguments, not empty. A bare program name is looked up on the `PATH` of `env`.
    pub command: &'a [OsString],
    pub directory: &'a Path,
    /// Added to our own environment.
    pub env: &'a BTreeMap<String, OsString>,
    /// Removed from it.
    pub env_removed: &'a [String],
    /// `/dev/null` if `None`.
    pub stdin: Option<OwnedFd>,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// Starts the command as the leader of a new session and process group.
///
/// The program runs when this returns: a failing exec is returned as an error.
///
/// # Errors
/// The folder or the program is missing or not permitted, or the system lacks resources.
pub fn spawn(start: Start<'_>) -> io::Result<Pid> {
    let Some(program) = start.command.first() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"));
    };
    let image = Image::new(start.command, &environment(start.env, start.env_removed))?;
    let mut command = command(program);
    command.current_dir(start.directory);
    let stdin = start.stdin.map_or_else(Stdio::null, Stdio::from);
    command.stdin(stdin).stdout(start.stdout).stderr(start.stderr);
    in_clean_session(&mut command, image);
    let child = command.spawn()?;
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::new)
        .ok_or_else(|| io::Error::other("the system gave no pid"))
}

/// True if a start failed for lack of a resource that may be available again in a moment: processes,
/// descriptors, memory.
pub fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE))
}

/// ENOEXEC: not a program, and no shebang.
pub fn is_no_program(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOEXEC)
}

/// Checks whether this could be started: all checks of exec before the new program begins.
///
/// # Errors
/// The error that [`spawn`] would return.
pub fn try_out(
    command: &[OsString],
    directory: &Path,
    environment: &BTreeMap<OsString, OsString>,
) -> io::Result<()> {
    // Relative paths are resolved from its working directory.
    let directory = std::fs::read_dir(directory).map(|_| directory)?;
    Image::new(command, environment)?.try_out(directory)
}

fn environment(added: &BTreeMap<String, OsString>, removed: &[String]) -> BTreeMap<OsString, OsString> {
    let mut environment: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    environment.extend(added.iter().map(|(name, value)| (name.into(), value.clone())));
    for name in removed {
        environment.remove(OsStr::new(name));
    }
    environment
}

#[expect(clippy::disallowed_methods, reason = "this crate starts processes")]
fn command(program: &OsStr) -> std::process::Command {
    std::process::Command::new(program)
}

/// The highest signal number of any system.
const LAST_SIGNAL: i32 = 64;

#[expect(unsafe_code, reason = "CommandExt::setsid is not stable, and signals are reset nowhere else")]
fn in_clean_session(command: &mut std::process::Command, image: Image) {
    // SAFETY: setsid, sigprocmask, signal and execve are async-signal-safe; nothing allocates.
    unsafe {
        command.pre_exec(move || {
            rustix::process::setsid()?;
            // Ignored signals survive an exec: a service started from `nohup` or from a shell's background
            // job would never receive them.
            for signal in 1..=LAST_SIGNAL {
                // Fails for KILL and STOP, and for those that the C library reserves.
                libc::signal(signal, libc::SIG_DFL);
            }
            nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
            // Descriptors that our own starter left open are not for the service: it would keep a lock on one
            // of them held for its whole life.
            crate::os::close_others_on_exec();
            Err(image.exec())
        });
    }
}
