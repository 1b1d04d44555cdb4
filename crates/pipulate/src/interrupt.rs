//! Ctrl-C: a waiting verb ends with 130. The services it started continue, as requested, except in the
//! foreground. A closed terminal is no answer to a question, and interrupts no request half way.

use std::ffi::c_int;
use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT};
use signal_hook::{flag, low_level};

use crate::exit_code::ExitStatus;

/// True while Ctrl-C ends the program.
static ENDS: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(false)));

/// True once a signal came, set by the handler: the thread that prints the last words may be later.
static CAME: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(false)));

/// Held while the last words are printed: the program must not end in between.
static LAST_WORDS: Mutex<()> = Mutex::new(());

/// Makes Ctrl-C end the program with 130.
///
/// # Errors
/// The system refuses the handler.
pub(crate) fn ends_with_130() -> io::Result<()> {
    if !ENDS.swap(true, Ordering::SeqCst) {
        flag::register_conditional_shutdown(SIGINT, code(), Arc::clone(&ENDS))?;
    }
    Ok(())
}

/// Makes each of these signals end the program with 130, after `last_words`; a second one does not wait for
/// them.
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

/// Returns a stream that gets a byte for each of these signals.
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

/// Keeps the program alive when its terminal closes. SIGHUP is handled and not ignored: ignoring it is
/// inherited by children, and marks processes that have left a JupyterLab terminal.
///
/// # Errors
/// The system refuses the handler.
pub(crate) fn outlives_its_terminal() -> io::Result<()> {
    flag::register(SIGHUP, Arc::default()).map(drop)
}

/// Leaves Ctrl-C to another handler from now on. Does not return if it came while it still ended the program.
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
