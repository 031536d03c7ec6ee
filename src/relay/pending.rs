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

use super::answer::WholeAnswer;
use super::attempt::Served;
use super::error::{in_band, render_in_band};
use super::stream::Live;
use super::{Arrival, RelayError};
use crate::dialect::error::{self, OwnError};
use crate::dialect::{Dialect, Surface};

/// The work on a request, not yet done.
pub type Serving = Pin<Box<dyn Future<Output = Result<Served, RelayError>>>>;

/// The body of an answer that is not there yet.
pub struct Pending {
    state: State,
    request: RequestId,
    client: Surface,
    keepalive: &'static [u8],
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
    ///
    /// A client that cannot be pinged (binary frames) gets nothing before the answer begins.
    pub fn new(work: Serving, arrival: &Arrival, every: Duration) -> Self {
        let (request, client) = (arrival.request, arrival.client);
        let keepalive = error::keepalive(client).unwrap_or_default();
        let (ping, first) = (Box::pin(sleep(every)), !keepalive.is_empty());
        Self { state: State::Waiting(work), request, client, keepalive, ping, every, first }
    }

    /// The work is done: stream it, or say in-band what went wrong.
    fn resolve(&mut self, served: Result<Served, RelayError>) -> Option<Bytes> {
        self.state = State::Done;
        match served {
            Ok(Served::Stream(live)) => {
                self.state = State::Live(live);
                None
            }
            Ok(Served::Whole(answer)) => Some(self.told(&answer)),
            Err(error) => Some(render_in_band(self.client, &error, self.request)),
        }
    }

    /// An upstream's error body in-band: Anthropic's as it is, on one line.
    fn told(&self, answer: &WholeAnswer) -> Bytes {
        if self.client == Surface::plain(Dialect::Anthropic) {
            let mut event = b"event: error\ndata: ".to_vec();
            event.extend(answer.body.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
            event.extend_from_slice(b"\n\n");
            return Bytes::from(event);
        }
        let read = error::theirs(self.client.dialect, &answer.body).unwrap_or_default();
        let request_id = self.request.to_string();
        let own = OwnError {
            condition: "bad_request",
            message: &read.message,
            reset_at: None,
            retry_after_ms: None,
            request_id: &request_id,
            money: false,
        };
        Bytes::from(in_band(self.client, &own))
    }
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
                        return Poll::Ready(Some(Ok(Bytes::from_static(this.keepalive))));
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
                Poll::Pending if this.keepalive.is_empty() => return Poll::Pending,
                Poll::Pending => {
                    std::task::ready!(this.ping.as_mut().poll(cx));
                    this.ping.as_mut().reset(Instant::now() + this.every);
                    return Poll::Ready(Some(Ok(Bytes::from_static(this.keepalive))));
                }
            }
        }
    }
}
