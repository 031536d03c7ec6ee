//! The body of an answer while it is on the wire.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use tokio::time::timeout;

use super::error::TransportError;

/// Most of an error answer that is read.
const ERROR_LIMIT: usize = 64 * 1024;
/// Longest wait for the rest of an error answer.
const ERROR_WAIT: Duration = Duration::from_secs(1);

/// A body that is polled by its owner. Ends with [`TransportError::Cut`] when it is shorter than declared.
pub struct AnswerBody {
    payload: Payload,
    /// Bytes still to come, when the answer declares its length.
    left: Option<u64>,
}

impl std::fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnswerBody").field("left", &self.left).finish_non_exhaustive()
    }
}

impl AnswerBody {
    pub(super) fn new(payload: Payload, declared: Option<u64>) -> Self {
        let left = if matches!(payload, Payload::None) { Some(0) } else { declared };
        Self { payload, left }
    }

    /// Bytes still to come, when the answer declares its length (`content-length`).
    pub fn left(&self) -> Option<u64> {
        self.left
    }

    /// Reads the whole body, at most `limit` bytes, in at most `wait`. A body of one chunk is not copied.
    pub async fn collect(mut self, limit: usize, wait: Duration) -> Result<Bytes, TransportError> {
        let mut gathered = Gathered::default();
        timeout(wait, self.gather(limit, &mut gathered)).await.map_err(|_| TransportError::TotalTimeout)??;
        Ok(gathered.into_bytes())
    }

    /// Reads what an error answer says: at most 64 KiB in at most one second, so that the connection can be used again.
    /// What did not come in time is left out and the connection closed.
    pub async fn drain_error(mut self) -> Bytes {
        let mut said = Gathered::default();
        // Whatever ended the reading, what came until then is the best description there is.
        let _ = timeout(ERROR_WAIT, self.gather(ERROR_LIMIT, &mut said)).await;
        said.into_bytes()
    }

    async fn gather(&mut self, limit: usize, into: &mut Gathered) -> Result<(), TransportError> {
        while let Some(chunk) = self.next().await {
            let chunk = chunk?;
            let room = limit.saturating_sub(into.len());
            if chunk.len() > room {
                into.push(chunk.slice(..room));
                return Err(TransportError::Overflow);
            }
            into.push(chunk);
        }
        Ok(())
    }
}

/// Chunks put together; the first is kept as it came, because most bodies are one chunk.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    all: BytesMut,
}

impl Gathered {
    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    fn push(&mut self, chunk: Bytes) {
        if self.len() == 0 {
            self.first = chunk;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&chunk);
    }

    fn into_bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

impl Stream for AnswerBody {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let item = std::task::ready!(Pin::new(&mut this.payload).poll_next(cx));
        let Some(Ok(chunk)) = item else {
            return Poll::Ready(item.map(|_| Err(TransportError::Cut)));
        };
        if let Some(left) = &mut this.left {
            *left = left.saturating_sub(chunk.len() as u64);
            if *left == 0 {
                // The framing's end needs no further byte: taking it now gives the connection back, even if the owner,
                // who has all he wants, never polls again.
                let _ = Pin::new(&mut this.payload).poll_next(cx);
                this.payload = Payload::None;
            }
        }
        Poll::Ready(Some(Ok(chunk)))
    }
}
