//! Reads ahead while a flood lasts.
//!
//! An idle connection shall be small, so the library's read buffer is; under a flood that makes a system call for every
//! few messages. When reads fill the buffer again and again, larger ones are made here and handed on in pieces; the
//! memory goes back as soon as there is nothing more to read.

use core::ops::Range;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use tokio::io::{AsyncRead, ReadBuf};

/// How much is read at once under a flood. More gained nothing measurable.
const SIZE: usize = 32 * 1024;
/// How many full reads in a row make a flood.
const FULL_READS: u8 = 4;

#[derive(Default)]
pub(super) struct ReadAhead {
    bytes: Vec<u8>,
    unread: Range<usize>,
    full_reads: u8,
}

impl ReadAhead {
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncRead + Unpin),
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            if self.full_reads < FULL_READS {
                let before = buf.filled().len();
                ready!(Pin::new(stream).poll_read(cx, buf))?;
                let full = buf.remaining() == 0 && buf.filled().len() > before;
                self.full_reads = if full { self.full_reads + 1 } else { 0 };
                return Poll::Ready(Ok(()));
            }
            self.bytes.resize(SIZE, 0);
            let mut ahead = ReadBuf::new(&mut self.bytes);
            let result = Pin::new(stream).poll_read(cx, &mut ahead);
            let read = ahead.filled().len();
            if read == 0 {
                // Nothing for now, the end, or a failure.
                *self = Self::default();
                return result;
            }
            self.unread = 0..read;
        }
        let rest = self.bytes.get(self.unread.clone()).unwrap_or_default();
        let piece = rest.get(..buf.remaining()).unwrap_or(rest);
        buf.put_slice(piece);
        self.unread.start += piece.len();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    struct Reading<S>(ReadAhead, S);

    impl<S: AsyncRead + Unpin> AsyncRead for Reading<S> {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let this = self.get_mut();
            this.0.poll_read(cx, &mut this.1, buf)
        }
    }

    #[tokio::test]
    async fn a_flood_arrives_whole_and_leaves_no_memory_behind() {
        let (mut ours, theirs) = duplex(100_000);
        let sent: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        let copy = sent.clone();
        let writer = tokio::spawn(async move {
            ours.write_all(&copy).await.unwrap();
            ours
        });
        let mut reading = Reading(ReadAhead::default(), theirs);
        let (mut got, mut ahead) = (Vec::new(), false);
        let mut piece = [0; 1000];
        while got.len() < sent.len() {
            let n = reading.read(&mut piece).await.unwrap();
            got.extend_from_slice(&piece[..n]);
            ahead |= !reading.0.bytes.is_empty();
        }
        assert!(got == sent && ahead);
        let mut ours = writer.await.unwrap();
        let nothing = tokio::time::timeout(core::time::Duration::from_millis(20), reading.read(&mut piece));
        assert!(nothing.await.is_err());
        assert_eq!(reading.0.bytes.capacity(), 0);
        ours.write_all(b"later").await.unwrap();
        assert_eq!(reading.read(&mut piece).await.unwrap(), 5);
        drop(ours);
        assert_eq!(reading.read(&mut piece).await.unwrap(), 0);
    }
}
