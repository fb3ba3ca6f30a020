//! The one runtime of all clients of a process.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use super::SteadfastError;

/// The name of the SDK's threads, as debuggers show it.
const NAME: &str = "steadfast";

/// One thread for sockets and timers; up to four more for as long as something blocks: a look-up of a name, a listener.
pub(super) fn runtime() -> Result<Handle, SteadfastError> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(4)
            .thread_keep_alive(Duration::from_secs(2))
            .thread_stack_size(512 * 1024)
            .thread_name(NAME)
            .enable_io()
            .enable_time()
            .build()
    });
    match runtime {
        Ok(runtime) => Ok(runtime.handle().clone()),
        Err(error) => {
            Err(SteadfastError::Internal { detail: format!("the SDK's thread can't be started: {error}") })
        }
    }
}
