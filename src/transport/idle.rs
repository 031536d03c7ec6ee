//! Ends a body that stalls.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep};

use super::error::TransportError;

/// A stream that fails with [`TransportError::IdleTimeout`] when nothing comes for the idle time.
#[derive(Debug)]
pub struct IdleTimeout<S> {
    inner: S,
    idle: Duration,
    /// Since when the owner waits; `None` after a chunk, until he asks for the next.
    asked: Option<Instant>,
    /// One timer for the whole stream. It is not moved by each chunk, only when it fires too early.
    timer: Pin<Box<Sleep>>,
}

impl<S> IdleTimeout<S> {
    /// Watches `inner`. A stall is counted only while the stream is polled and has nothing: an owner who does
    /// not ask (because his own client does not read) is not the upstream's fault.
    pub fn new(inner: S, idle: Duration) -> Self {
        Self { inner, idle, asked: None, timer: Box::pin(sleep(idle)) }
    }

    /// The watched stream.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The stream without the watch.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Stream<Item = Result<Bytes, TransportError>> + Unpin> Stream for IdleTimeout<S> {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Poll::Ready(item) = Pin::new(&mut this.inner).poll_next(cx) {
            this.asked = None;
            return Poll::Ready(item);
        }
        let due = *this.asked.get_or_insert_with(Instant::now) + this.idle;
        while this.timer.as_mut().poll(cx).is_ready() {
            if due <= Instant::now() {
                return Poll::Ready(Some(Err(TransportError::IdleTimeout)));
            }
            this.timer.as_mut().reset(due);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use futures_util::stream;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stall_ends_the_stream_and_chunks_put_it_off() {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
        let source = stream::unfold(receiver, |mut r| async { r.recv().await.map(|chunk| (Ok(chunk), r)) });
        let mut body = IdleTimeout::new(Box::pin(source), Duration::from_secs(10));
        for _ in 0..5 {
            assert!(futures_util::poll!(body.next()).is_pending());
            advance(Duration::from_secs(9)).await;
            sender.send(Bytes::from_static(b"x")).unwrap();
            assert_eq!(body.next().await, Some(Ok(Bytes::from_static(b"x"))));
        }
        // Time in which the owner does not ask is not counted.
        advance(Duration::from_secs(60)).await;
        let began = Instant::now();
        assert_eq!(body.next().await, Some(Err(TransportError::IdleTimeout)));
        assert_eq!(began.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_is_passed_on() {
        let mut body = IdleTimeout::new(stream::empty(), Duration::from_secs(1));
        assert_eq!(body.next().await, None);
    }
}
