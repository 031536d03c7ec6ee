//! A committed stream: upstream bytes go to the client as they come, watched but never altered.

use std::convert::Infallible;
use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::CONTENT_TYPE;
use bytes::Bytes;
use futures_util::Stream as _;
use tokio::time::{Instant, Sleep, sleep};

use super::answer::{Headers, id_headers, limit_headers};
use super::call::seconds;
use super::drain;
use super::hold::OpenStream;
use super::settle::{End, Settlement};
use super::watch::Watched;
use crate::dialect::anthropic::error::ENDED_EARLY;
use crate::dialect::error::{self, OwnError};
use crate::dialect::tap::Terminal;
use crate::observe::lifecycle::Phase;
use crate::transport::TransportError;

/// A running stream writes its usage to the journal at most this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// After a terminal event the upstream's end is awaited this long: another message may follow in the same stream, and all of
/// them are settled together.
pub const AFTER_STOP: Duration = Duration::from_millis(25);

/// Told in-band when the process stops.
const CLOSING: &str = "the relay is restarting";
/// Told in-band at the longest stream that is allowed.
const TOO_LONG: &str = "the stream took too long";

/// A stream with everything that it owes. Its owner ends it: the body, a drain, or the watch over stalled clients.
pub struct Flow {
    /// The request's obligations.
    pub settlement: Settlement,
    /// Upstream, tap and held chunks.
    pub open: OpenStream,
    last_progress: Instant,
    ends_at: Instant,
    /// Runs while the upstream's end is awaited.
    after_stop: Option<Pin<Box<Sleep>>>,
    upstream_over: bool,
    ended: bool,
}

impl Flow {
    fn new(settlement: Settlement, open: OpenStream) -> Self {
        let now = Instant::now();
        let ends_at = now + seconds(settlement.settings.stream_total_min * 60);
        let (after_stop, upstream_over, ended) = (None, false, false);
        let mut flow = Self { settlement, open, last_progress: now, ends_at, after_stop, upstream_over, ended };
        flow.mark_content();
        // Known from now on, so that a running answer can be cancelled by its id.
        let (dialect, seen) = (flow.open.pipe.upstream(), flow.open.pipe.tap.seen());
        flow.settlement.answered(dialect, seen.answer_id.as_deref());
        flow
    }

    /// The next bytes for the client; `None` = the stream is over and settled.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if self.withholds() {
                ready!(self.poll_after_stop(cx));
                continue;
            }
            if let Some(chunk) = self.open.held.pop_front() {
                let bytes = self.open.pipe.leave(chunk);
                self.keep_seals();
                if !bytes.is_empty() {
                    return Poll::Ready(Some(bytes));
                }
                continue;
            }
            if self.ended {
                return Poll::Ready(None);
            }
            if self.upstream_over {
                return Poll::Ready(self.end_of_stream());
            }
            if self.is_closing() {
                return Poll::Ready(self.cut(CLOSING));
            }
            match ready!(Pin::new(&mut self.open.upstream).poll_next(cx)) {
                Some(Ok(chunk)) => {
                    if !self.take(chunk) {
                        return Poll::Ready(self.cut(ENDED_EARLY));
                    }
                    if Instant::now() > self.ends_at && !self.withholds() {
                        return Poll::Ready(self.cut(TOO_LONG));
                    }
                }
                Some(Err(error)) => {
                    log_cut(&error);
                    return Poll::Ready(self.cut(ENDED_EARLY));
                }
                None => self.upstream_over = true,
            }
        }
    }

    fn is_closing(&self) -> bool {
        self.settlement.relay.shared().lifecycle.phase() == Phase::Closing
    }

    /// A terminal event was seen. Its bytes are not given away before the request is settled.
    fn withholds(&self) -> bool {
        self.open.pipe.tap.seen().terminal == Terminal::Stop && !self.is_settled()
    }

    /// Settles when the upstream ends, or does not go on.
    fn poll_after_stop(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match Pin::new(&mut self.open.upstream).poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                self.after_stop = None;
                self.take(chunk);
                return Poll::Ready(());
            }
            Poll::Ready(Some(Err(_)) | None) => self.upstream_over = true,
            Poll::Pending if self.is_closing() => {}
            Poll::Pending => {
                let wait = self.after_stop.get_or_insert_with(|| Box::pin(sleep(AFTER_STOP)));
                ready!(wait.as_mut().poll(cx));
            }
        }
        self.complete();
        Poll::Ready(())
    }

    /// Watches bytes that no client will get.
    pub fn drained(&mut self, chunk: Bytes) -> Option<Bytes> {
        if let Some(attempt) = &mut self.settlement.attempt {
            attempt.bytes += chunk.len() as u64;
        }
        self.open.pipe.arrive(chunk).ok()
    }

    /// Watches the next bytes, keeps them for the client, and notes the usage now and then. False when they are damaged.
    fn take(&mut self, chunk: Bytes) -> bool {
        let kept = self.drained(chunk);
        self.mark_content();
        if self.last_progress.elapsed() > PROGRESS_EVERY {
            self.last_progress = Instant::now();
            if let Some(usage) = self.open.pipe.tap.usage() {
                self.settlement.progress(usage);
            }
        }
        let whole = kept.is_some();
        self.open.held.extend(kept);
        whole
    }

    /// Keeps what sealed the tool calls of a translated answer for the next turn.
    fn keep_seals(&mut self) {
        for (call, seal) in self.open.pipe.take_seals() {
            self.settlement.keep_seal(&call, seal);
        }
    }

    fn mark_content(&mut self) {
        if let Some(attempt) = &mut self.settlement.attempt {
            attempt.content_sent |= self.open.pipe.tap.seen().semantic;
        }
    }

    /// The upstream's last word was said. Some vendors end with it when they failed, and have told the client so.
    fn complete(&mut self) {
        let (dialect, seen) = (self.open.pipe.upstream(), self.open.pipe.tap.seen());
        let end = if seen.error.is_some() { End::truncated() } else { End::ok(200) };
        self.settlement.answered(dialect, seen.answer_id.as_deref());
        self.finish(&end);
    }

    /// Hands the tap's last word to the settlement and ends it.
    pub fn finish(&mut self, end: &End) {
        if let Some(attempt) = &mut self.settlement.attempt {
            if let Some(usage) = self.open.pipe.tap.usage() {
                attempt.usage = Some(usage);
            }
            attempt.output = self.open.pipe.tap.seen().output;
            attempt.usage_final = self.open.pipe.tap.seen().terminal != Terminal::None;
        }
        self.settlement.finish(end);
    }

    /// True once the settlement is done.
    pub fn is_settled(&self) -> bool {
        self.settlement.is_finished()
    }

    fn end_of_stream(&mut self) -> Option<Bytes> {
        let rest = self.open.pipe.end();
        self.keep_seals();
        match self.open.pipe.tap.seen().terminal {
            Terminal::Stop => {}
            Terminal::StopReasonThenEof => {
                if self.open.pipe.has_terminal_event() {
                    self.settlement.flags.push("no_terminal");
                }
                self.complete();
            }
            Terminal::None => return self.cut(ENDED_EARLY),
        }
        self.ended = true;
        (!rest.is_empty()).then_some(rest)
    }

    /// The stream is over without its end. The client gets the dialect's error event, unless the vendor already sent one;
    /// never an invented end.
    fn cut(&mut self, message: &str) -> Option<Bytes> {
        self.ended = true;
        self.open.held.clear();
        if self.is_settled() {
            return None;
        }
        let told = self.open.pipe.tap.seen().error.is_some();
        self.finish(&End::truncated());
        (!told).then(|| in_band(&self.settlement, self.open.pipe.is_framed(), message))
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.finish(&End::cancelled());
    }
}

fn log_cut(error: &TransportError) {
    tracing::debug!(error = error.label(), "upstream stream was cut");
}

/// An error of our own, as bytes. `framed`: an event may have been begun, which a blank line ends.
fn in_band(settlement: &Settlement, framed: bool, message: &str) -> Bytes {
    let request_id = settlement.request.arrival.request.to_string();
    let error = OwnError {
        condition: "upstream_error",
        message,
        reset_at: None,
        retry_after_ms: None,
        request_id: &request_id,
        money: false,
    };
    let mut event = if framed && settlement.bytes_out > 0 { b"\n\n".to_vec() } else { Vec::new() };
    event.extend(super::error::in_band(settlement.request.client, &error));
    Bytes::from(event)
}

/// The body of a streamed answer.
pub struct Live {
    flow: Rc<Watched>,
    /// Headers for the client.
    headers: Headers,
    silence: Pin<Box<Sleep>>,
    last_sent: Instant,
    keepalive: Duration,
    /// What keeps the client waiting, in its dialect.
    ping: Option<&'static [u8]>,
}

impl Live {
    /// Takes over a request whose stream was accepted.
    pub fn new(settlement: Settlement, mut open: OpenStream) -> Self {
        let request = &settlement.request;
        let mut headers = id_headers(request.client.dialect, request.arrival.request, request.headers());
        headers.append(&mut open.headers);
        limit_headers(request.client.dialect, settlement.limits(), settlement.relay.now(), &mut headers);
        headers.retain(|(name, _)| *name != CONTENT_TYPE);
        let keepalive = seconds(settlement.settings.stream_keepalive_s);
        let ping = error::keepalive(request.client);
        request.release_body();
        let relay = settlement.relay.clone();
        relay.metrics().relay_streams_open().inc();
        Self {
            flow: relay.watch().add(Flow::new(settlement, open)),
            headers,
            silence: Box::pin(sleep(keepalive)),
            last_sent: Instant::now(),
            keepalive,
            ping,
        }
    }

    /// The answer's headers.
    pub fn take_headers(&mut self) -> Headers {
        std::mem::take(&mut self.headers)
    }

    /// A ping after a silence, where an event may stand.
    fn poll_keepalive(&mut self, cx: &mut Context<'_>, boundary: bool) -> Poll<Bytes> {
        ready!(self.silence.as_mut().poll(cx));
        let due = self.last_sent + self.keepalive;
        let now = Instant::now();
        let next = if due > now { due } else { now + self.keepalive };
        self.silence.as_mut().reset(next);
        if due <= now
            && boundary
            && let Some(ping) = self.ping
        {
            self.last_sent = now;
            return Poll::Ready(Bytes::from_static(ping));
        }
        // Registers the new deadline with this task.
        let _ = self.silence.as_mut().poll(cx);
        Poll::Pending
    }
}

impl MessageBody for Live {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = &mut *self;
        this.flow.is_polled();
        let polled = match &mut *this.flow.flow.borrow_mut() {
            None => return Poll::Ready(None),
            Some(flow) => match flow.poll_bytes(cx) {
                Poll::Ready(Some(bytes)) => {
                    flow.settlement.bytes_out += bytes.len() as u64;
                    Ok(Some(bytes))
                }
                Poll::Ready(None) => Ok(None),
                Poll::Pending => Err(flow.open.pipe.at_boundary()),
            },
        };
        match polled {
            Ok(Some(bytes)) => {
                this.last_sent = Instant::now();
                this.flow.handed_out(this.last_sent);
                Poll::Ready(Some(Ok(bytes)))
            }
            Ok(None) => Poll::Ready(None),
            Err(boundary) => {
                this.flow.waits(cx);
                this.poll_keepalive(cx, boundary).map(|ping| Some(Ok(ping)))
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(flow) = self.flow.take() {
            flow.settlement.relay.metrics().relay_streams_open().dec();
            drain::after_client(flow);
        }
    }
}
