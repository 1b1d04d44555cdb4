//! The exceptions to the rules, with reasons. An unused exception is itself a complaint.

/// A rule that can have exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// At most [`super::sources::FILE_LINES`] lines. The subject is the file.
    FileLength,
    /// No check of the operating system. The subject is the file.
    TargetOs,
    /// No `unsafe`. The subject is the file.
    Unsafe,
    /// No read of a file of unknown kind and size. The subject is the file.
    UnboundedRead,
}

/// One permission.
pub(super) struct Exception {
    pub(super) rule: Rule,
    pub(super) subject: &'static str,
    /// Why it is better than following the rule.
    pub(super) reason: &'static str,
}

pub(super) const EXCEPTIONS: &[Exception] = &[
    Exception {
        rule: Rule::FileLength,
        subject: "crates/pipulate-supervisor/src/driver.rs",
        reason: "the one loop of a supervisor, with all methods of its type in one file",
    },
    Exception {
        rule: Rule::UnboundedRead,
        subject: "crates/pipulate-environment/src/browser/session.rs",
        reason: "reads /proc",
    },
    Exception {
        rule: Rule::UnboundedRead,
        subject: "crates/pipulate/src/cli/reference.rs",
        reason: "a test that compares the documentation with the program",
    },
    Exception {
        rule: Rule::UnboundedRead,
        subject: "crates/pipulate-process/src/os/linux.rs",
        reason: "reads /proc",
    },
    Exception {
        rule: Rule::UnboundedRead,
        subject: "crates/pipulate-process/src/os/pidfd_info.rs",
        reason: "reads /proc",
    },
    Exception {
        rule: Rule::TargetOs,
        subject: "crates/pipulate-process/src/os.rs",
        reason: "chooses the one file per system for processes",
    },
    Exception {
        rule: Rule::TargetOs,
        subject: "crates/pipulate-process/src/watch.rs",
        reason: "chooses the one file per system for watching a tree",
    },
    Exception {
        rule: Rule::TargetOs,
        subject: "crates/pipulate-store/src/os.rs",
        reason: "chooses the one folder per system for moving bytes and watching a log",
    },
    Exception {
        rule: Rule::Unsafe,
        subject: "crates/pipulate-process/src/command.rs",
        reason: "a hook between fork and exec: setsid has no stable safe form in CommandExt",
    },
    Exception {
        rule: Rule::Unsafe,
        subject: "crates/pipulate-process/src/exit.rs",
        reason: "_exit has no safe form",
    },
    Exception {
        rule: Rule::Unsafe,
        subject: "crates/pipulate-process/src/spawn.rs",
        reason: "a hook between fork and exec: a new session and clean signals",
    },
    Exception {
        rule: Rule::Unsafe,
        subject: "crates/pipulate-process/src/os/marked_signal.rs",
        reason: "pidfd_send_signal has no safe form with an info",
    },
    Exception {
        rule: Rule::Unsafe,
        subject: "crates/pipulate-process/src/os/pidfd_info.rs",
        reason: "PIDFD_GET_INFO is an ioctl, which has no safe form",
    },
    Exception {
        rule: Rule::Unsafe,
        subject: "crates/pipulate-process/src/image.rs",
        reason: "execve between fork and exec: what does not allocate takes pointers",
    },
    Exception {
        rule: Rule::Unsafe,
        subject: "crates/pipulate-process/src/reaper.rs",
        reason: "waitid tells pid and status only through siginfo_t",
    },
    Exception {
        rule: Rule::Unsafe,
        subject: "crates/pipulate-process/src/os/linux.rs",
        reason: "close_range has no safe form",
    },
    Exception {
        rule: Rule::Unsafe,
        subject: "crates/pipulate-process/src/os/libproc.rs",
        reason: "libproc and sysctl fill buffers, and have no safe form",
    },
    Exception {
        rule: Rule::Unsafe,
        subject: "crates/pipulate-process/src/os/kqueue.rs",
        reason: "an event of kqueue names a file by a bare number",
    },
    Exception {
        rule: Rule::Unsafe,
        subject: "crates/pipulate-process/src/os/own_memory.rs",
        reason: "madvise and malloc_trim have no safe form",
    },
    Exception {
        rule: Rule::Unsafe,
        subject: "crates/pipulate-process/src/signals.rs",
        reason: "setting a signal's action has no safe form",
    },
    Exception {
        rule: Rule::Unsafe,
        subject: "crates/pipulate/src/no_libm.rs",
        reason: "a function that is found by its bare name",
    },
    Exception {
        rule: Rule::Unsafe,
        subject: "crates/pipulate-store/src/files.rs",
        reason: "a descriptor that was kept over an exec comes back as a bare number",
    },
];
