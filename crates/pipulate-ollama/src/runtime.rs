//! A runtime for callers without one: the command line queries Ollama from a plain thread.

use std::future::Future;

/// Runs `task` to its end on this thread.
///
/// A name lookup that still hangs in the resolver is abandoned.
pub(crate) fn block_on<T>(task: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let result = runtime.block_on(task);
    runtime.shutdown_background();
    Ok(result)
}
