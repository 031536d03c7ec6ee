//! Ends a body that stalls.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;

use super::error::TransportError;

/// A stream that fails with [`TransportError::IdleTimeout`] when nothing comes for the idle time.
#[derive(Debug)]
pub struct IdleTimeout<S> {
    inner: S,
    idle: Duration,
}

impl<S> IdleTimeout<S> {
    /// Watches `inner`. One timer for the whole stream: a stall is seen after `idle` to twice that at most.
    pub fn new(inner: S, idle: Duration) -> Self {
        Self { inner, idle }
    }

    /// The stream without the watch.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Stream<Item = Result<Bytes, TransportError>> + Unpin> Stream for IdleTimeout<S> {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let _ = (cx, self.idle);
        todo!()
    }
}
