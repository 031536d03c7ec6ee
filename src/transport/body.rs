//! The body of an answer while it is on the wire.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::Payload;
use bytes::Bytes;
use futures_util::Stream;

use super::error::TransportError;

/// A body that is polled by its owner. Ends with [`TransportError::Cut`] when it is shorter than declared.
pub struct AnswerBody {
    payload: Payload,
}

impl std::fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AnswerBody")
    }
}

impl AnswerBody {
    /// Reads the whole body, at most `limit` bytes, in at most `timeout`.
    pub async fn collect(self, limit: usize, timeout: Duration) -> Result<Bytes, TransportError> {
        let _ = (limit, timeout);
        todo!()
    }

    /// Reads what an error answer says: at most 64 KiB in at most one second, so that the connection can be used again.
    /// What did not come in time is left out and the connection closed.
    pub async fn drain_error(self) -> Bytes {
        todo!()
    }
}

impl Stream for AnswerBody {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let _ = (cx, &self.payload);
        todo!()
    }
}
