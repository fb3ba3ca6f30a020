//! The one runtime of all clients of a process.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use super::SteadfastError;

/// The name of the SDK's threads, as debuggers show it.
const NAME: &str = "steadfast";

static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

/// One thread for sockets and timers; up to four more for as long as something blocks: a look-up of a name, a listener.
pub(super) fn runtime() -> Result<Handle, SteadfastError> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*runtime {
        return Ok(runtime.handle().clone());
    }
    let built = Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(4)
        .thread_keep_alive(Duration::from_secs(2))
        .thread_stack_size(512 * 1024)
        .thread_name(NAME)
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| SteadfastError::Internal {
            detail: format!("the SDK's thread can't be started: {error}"),
        })?;
    Ok(runtime.insert(built).handle().clone())
}

/// Ends the SDK's threads, whatever clients are left: for the end of a process whose language can't be called any more
/// after it. A client made later starts them anew.
#[uniffi::export]
pub fn stop_threads() {
    let runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(runtime) = runtime {
        runtime.shutdown_timeout(Duration::from_secs(1));
    }
}
