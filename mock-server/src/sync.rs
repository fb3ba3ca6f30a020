//! Locks that a panic elsewhere does not take away: a server for tests goes on serving.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locking without poison.
pub(crate) trait Locked<T> {
    /// The guard, whatever happened to an earlier holder.
    fn locked(&self) -> MutexGuard<'_, T>;
}

impl<T> Locked<T> for Mutex<T> {
    fn locked(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
