//! Ending this process.

/// Ends this process without its libraries' exit handlers: they have nothing to do here, and in a process
/// that gave back its memory their code would have to be read from disk. Flush all output before.
#[expect(unsafe_code, reason = "_exit has no safe form")]
pub fn at_once(code: u8) -> ! {
    // SAFETY: it takes a number and does not return.
    unsafe { libc::_exit(code.into()) }
}
