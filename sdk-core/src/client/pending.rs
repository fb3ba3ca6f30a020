//! A command under way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_channel::oneshot;

use super::Confirmed;
use crate::command::{Command, CommandError, CommandErrorKind, CommandId, Sent};
use crate::driver::shared::{self, Shared};
use crate::io::Input;

/// A command under way: a future of its one outcome. Dropping it cancels the command, which may have been sent by
/// then. The command is handed in at once, not when this is first polled.
#[must_use = "dropping it cancels the command"]
pub struct Pending {
    shared: Arc<Shared>,
    id: CommandId,
    outcome: Option<oneshot::Receiver<Result<Confirmed, CommandError>>>,
}

impl Pending {
    pub(crate) fn submit(shared: &Arc<Shared>, command: Command) -> Self {
        let (send, receive) = oneshot::channel();
        let now = shared.clock.now();
        let mut core = shared.lock();
        let id = core.new_id();
        if !shared.has_ended() {
            core.pending.insert(id, shared::Pending { send });
            shared.hand(&mut core, now, Input::Command(id, command));
        }
        drop(core);
        shared.waker.wake();
        Self { shared: Arc::clone(shared), id, outcome: Some(receive) }
    }
}

impl Pending {
    /// A command that is refused here.
    pub(crate) fn refused(shared: &Arc<Shared>, error: CommandError) -> Self {
        let (send, receive) = oneshot::channel();
        // The other end is right here.
        let _ = send.send(Err(error));
        let id = shared.lock().new_id();
        Self { shared: Arc::clone(shared), id, outcome: Some(receive) }
    }
}

impl Future for Pending {
    type Output = Result<Confirmed, CommandError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(outcome) = &mut this.outcome else { return Poll::Ready(Err(closed())) };
        let Poll::Ready(result) = Pin::new(outcome).poll(cx) else { return Poll::Pending };
        this.outcome = None;
        Poll::Ready(result.unwrap_or_else(|_| Err(closed())))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.outcome.is_none() || self.shared.has_ended() {
            return;
        }
        // Its end is dropped without the lock: that wakes whoever has polled this.
        let gone = self.shared.lock().pending.remove(&self.id);
        drop(gone);
        self.shared.input(Input::Cancel(self.id));
    }
}

impl core::fmt::Debug for Pending {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pending").field("id", &self.id).finish_non_exhaustive()
    }
}

fn closed() -> CommandError {
    CommandError {
        kind: CommandErrorKind::Closed,
        code: None,
        message: "the client is closed".into(),
        retryable: false,
        sent: Sent::No,
    }
}
