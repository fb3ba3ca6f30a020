//! The one runtime of all clients of a process.

use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_channel::oneshot;
use tokio::runtime::{Builder, Handle};

use super::SteadfastError;

/// The name of the SDK's threads, as debuggers show it.
const NAME: &str = "steadfast";
const STACK_BYTES: usize = 512 * 1024;

/// The thread for sockets and timers. A runtime of several would weigh 100 KB more, and has no use for them.
struct Runtime {
    handle: Handle,
    /// Its end ends the thread.
    keep: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

/// One thread for sockets and timers; up to four more for as long as something blocks: a look-up of a name, a listener.
pub(super) fn runtime() -> Result<Handle, SteadfastError> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*runtime {
        return Ok(runtime.handle.clone());
    }
    let started = start().map_err(|error| SteadfastError::Internal {
        detail: format!("the SDK's thread can't be started: {error}"),
    })?;
    Ok(runtime.insert(started).handle.clone())
}

/// How many tasks run, for the tests of the languages.
#[doc(hidden)]
#[cfg(debug_assertions)]
pub fn live_tasks() -> usize {
    let runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    runtime.as_ref().map_or(0, |runtime| runtime.handle.metrics().num_alive_tasks())
}

fn start() -> std::io::Result<Runtime> {
    let tokio = Builder::new_current_thread()
        .max_blocking_threads(4)
        .thread_keep_alive(Duration::from_secs(2))
        .thread_stack_size(STACK_BYTES)
        .thread_name(NAME)
        .enable_io()
        .enable_time()
        .build()?;
    let handle = tokio.handle().clone();
    let (keep, ended) = oneshot::channel();
    let thread = thread::Builder::new().name(NAME.into()).stack_size(STACK_BYTES).spawn(move || {
        let _ = tokio.block_on(ended);
        tokio.shutdown_timeout(Duration::from_secs(1));
    })?;
    Ok(Runtime { handle, keep, thread })
}

/// Ends the SDK's threads, whatever clients are left: for the end of a process whose language can't be called any more
/// after it. A client made later starts them anew.
#[uniffi::export]
pub fn stop_threads() {
    let runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(Runtime { keep, thread, .. }) = runtime {
        drop(keep);
        let _ = thread.join();
    }
}
