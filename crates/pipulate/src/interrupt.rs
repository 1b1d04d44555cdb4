//! Ctrl-C: a verb that waits ends with 130. What it started goes on: it was asked for. Whoever stays in
//! the foreground decides otherwise. The end of the terminal is no answer to a question, and ends nothing
//! half way that was asked for.

use std::ffi::c_int;
use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT};
use signal_hook::{flag, low_level};

use crate::exit_code::ExitStatus;

/// Whether Ctrl-C still ends the program.
static ENDS: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(false)));

/// Whether one of these signals came, by the handler's own word: the thread that says the last words may
/// not have heard yet.
static CAME: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(false)));

/// Held while the last words are said: the program must not end in the middle of them.
static LAST_WORDS: Mutex<()> = Mutex::new(());

/// From now on Ctrl-C ends the program with 130.
///
/// # Errors
/// The system refuses the handler.
pub(crate) fn ends_with_130() -> io::Result<()> {
    if !ENDS.swap(true, Ordering::SeqCst) {
        flag::register_conditional_shutdown(SIGINT, code(), Arc::clone(&ENDS))?;
    }
    Ok(())
}

/// The same, after some last words, and for each of these signals; a second one does not wait for them.
///
/// # Errors
/// The system refuses the handler, or has no room for a thread.
pub(crate) fn ends_with_130_after(
    signals: &[c_int],
    last_words: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let in_words = Arc::new(AtomicBool::new(false));
    for &signal in signals {
        flag::register_conditional_shutdown(signal, code(), Arc::clone(&in_words))?;
        flag::register(signal, Arc::clone(&CAME))?;
    }
    let mut interrupted = stream_of(signals)?;
    ENDS.store(true, Ordering::SeqCst);
    thread::Builder::new().spawn(move || {
        let came = interrupted.read_exact(&mut [0]).is_ok();
        let _until_the_end = LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner);
        if came && ENDS.load(Ordering::SeqCst) {
            in_words.store(true, Ordering::SeqCst);
            last_words();
            low_level::exit(code());
        }
    })?;
    Ok(())
}

/// A stream with a byte for each time that one of these signals came.
///
/// # Errors
/// The system refuses the handler, or has no descriptors left.
pub(crate) fn stream_of(signals: &[c_int]) -> io::Result<UnixStream> {
    let (ours, handler) = UnixStream::pair()?;
    for &signal in signals {
        low_level::pipe::register(signal, handler.try_clone()?)?;
    }
    Ok(ours)
}

/// From now on the end of the terminal does not end the program. It is heard and not ignored: whoever
/// ignores it has left a terminal of JupyterLab, and its children would ignore it, too.
///
/// # Errors
/// The system refuses the handler.
pub(crate) fn outlives_its_terminal() -> io::Result<()> {
    flag::register(SIGHUP, Arc::default()).map(drop)
}

/// From now on whoever else listens to Ctrl-C decides. Does not return if it came while it still ended the
/// program.
pub(crate) fn is_handled_elsewhere() {
    {
        let _no_last_words = LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner);
        if !ENDS.load(Ordering::SeqCst) || !CAME.load(Ordering::SeqCst) {
            ENDS.store(false, Ordering::SeqCst);
            return;
        }
    }
    loop {
        thread::park();
    }
}

fn code() -> i32 {
    ExitStatus::Interrupted.code().into()
}
