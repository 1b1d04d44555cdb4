//! Starting a process that goes on without us: a session of its own, clean signals, its output
//! into a given descriptor.

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

/// What to start.
#[derive(Debug)]
pub struct Start<'a> {
    /// Program and arguments, not empty. A bare program name is looked up on the `PATH` of `env`.
    pub command: &'a [OsString],
    pub directory: &'a Path,
    /// Added to our own environment.
    pub env: &'a BTreeMap<String, OsString>,
    /// Taken out of it.
    pub env_removed: &'a [String],
    /// `/dev/null` where nothing is given.
    pub stdin: Option<OwnedFd>,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// Starts it as the leader of a new session and process group.
///
/// The program runs when this returns: a failing exec comes back as an error.
///
/// # Errors
/// The folder or the program is not there or may not be used, or the system has no room.
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

/// Whether a start failed for want of something that the system may have again in a moment:
/// processes, descriptors, memory.
pub fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE))
}

/// Whether a start failed because the file is no program, and no script that names one for it.
pub fn is_no_program(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOEXEC)
}

/// Whether this could be started: everything that exec looks at before there is a new program.
///
/// # Errors
/// What [`spawn`] would answer.
pub fn try_out(
    command: &[OsString],
    directory: &Path,
    environment: &BTreeMap<OsString, OsString>,
) -> io::Result<()> {
    // Where it starts, relative paths are looked for from there.
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

/// No system has a signal with a higher number.
const LAST_SIGNAL: i32 = 64;

#[expect(unsafe_code, reason = "CommandExt::setsid is not stable, and signals are reset nowhere else")]
fn in_clean_session(command: &mut std::process::Command, image: Image) {
    // SAFETY: setsid, sigprocmask, signal and execve are async-signal-safe; nothing allocates.
    unsafe {
        command.pre_exec(move || {
            rustix::process::setsid()?;
            // Ignored signals survive an exec: a service started from `nohup` or from a shell's
            // background job would be deaf to them.
            for signal in 1..=LAST_SIGNAL {
                // Refused for KILL and STOP, and for those that the C library keeps for itself.
                libc::signal(signal, libc::SIG_DFL);
            }
            nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
            // Whatever our own starter left open is not the service's: a lock held by it would
            // stay held for as long as the service lives.
            crate::os::close_others_on_exec();
            Err(image.exec())
        });
    }
}
