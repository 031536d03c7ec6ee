//! A streaming request that waits, for a slot or for its upstream: pinged, so that neither the client nor a proxy between
//! gives up. The first ping commits status 200; what fails afterwards is told in-band.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actors::domain::id::RequestId;
use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep};

use super::RelayError;
use super::attempt::Served;
use super::stream::Live;
use crate::dialect::anthropic::error::{ErrorBody, PING, status_and_type};

/// The work on a request, not yet done.
pub type Serving = Pin<Box<dyn Future<Output = Result<Served, RelayError>>>>;

/// The body of an answer that is not there yet.
pub struct Pending {
    state: State,
    request: RequestId,
    ping: Pin<Box<Sleep>>,
    every: Duration,
    first: bool,
}

enum State {
    Waiting(Serving),
    Live(Box<Live>),
    Done,
}

impl Pending {
    /// Goes on with the work, pinging at once and then after each silence.
    pub fn new(work: Serving, request: RequestId, every: Duration) -> Self {
        Self { state: State::Waiting(work), request, ping: Box::pin(sleep(every)), every, first: true }
    }

    /// The work is done: stream it, or say in-band what went wrong.
    fn resolve(&mut self, served: Result<Served, RelayError>) -> Option<Bytes> {
        self.state = State::Done;
        match served {
            Ok(Served::Stream(live)) => {
                self.state = State::Live(live);
                None
            }
            Ok(Served::Whole(answer)) => Some(error_event(&answer.body)),
            Err(error) => Some(own_error(self.request, &error)),
        }
    }
}

/// An upstream's error body as an event: JSON on one line.
fn error_event(body: &[u8]) -> Bytes {
    let mut event = b"event: error\ndata: ".to_vec();
    event.extend(body.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    event.extend_from_slice(b"\n\n");
    Bytes::from(event)
}

fn own_error(request: RequestId, error: &RelayError) -> Bytes {
    let (_, kind) = status_and_type(error.condition());
    let (message, request_id) = (error.to_string(), request.to_string());
    let code = Some(error.condition());
    let body = ErrorBody { kind, message: &message, code, reset_at: error.reset_at(), request_id: &request_id };
    Bytes::from(body.to_event())
}

impl MessageBody for Pending {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = &mut *self;
        loop {
            let served = match &mut this.state {
                State::Done => return Poll::Ready(None),
                State::Live(live) => return Pin::new(&mut **live).poll_next(cx),
                State::Waiting(work) => {
                    if std::mem::take(&mut this.first) {
                        return Poll::Ready(Some(Ok(Bytes::from_static(PING))));
                    }
                    work.as_mut().poll(cx)
                }
            };
            match served {
                Poll::Ready(served) => {
                    if let Some(event) = this.resolve(served) {
                        return Poll::Ready(Some(Ok(event)));
                    }
                }
                Poll::Pending => {
                    std::task::ready!(this.ping.as_mut().poll(cx));
                    this.ping.as_mut().reset(Instant::now() + this.every);
                    return Poll::Ready(Some(Ok(Bytes::from_static(PING))));
                }
            }
        }
    }
}
