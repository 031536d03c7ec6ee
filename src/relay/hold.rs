//! Holds the first events of a stream back until content shows, so that an attempt that fails inside HTTP 200 can still be
//! replaced by another account (`scheduling.md` §16, `relay-api.md` §4).

use std::collections::VecDeque;

use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actors::domain::usage::Usage;
use actors::domain::verdict::{Judgement, Verdict};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::answer::Headers;
use super::call::{Failure, Reply, Way, head_of, seconds};
use super::pipe::{self, Pipe};
use super::settle::Settlement;
use crate::dialect::tap::Terminal;
use crate::transport::{AnswerBody, IdleTimeout, OutboundAnswer, TransportError};
use crate::upstream;

/// Longer than any idle timeout.
const LONG: std::time::Duration = std::time::Duration::from_secs(24 * 3_600);
/// Envelope bytes held back at most.
const MOST_HELD: usize = 64 * 1024;

/// A stream whose beginning was accepted.
pub struct OpenStream {
    /// What is still to come.
    pub upstream: IdleTimeout<AnswerBody>,
    /// What happens to its bytes.
    pub pipe: Pipe,
    /// Chunks that have arrived and not yet been given to the client.
    pub held: VecDeque<Bytes>,
    /// Answer headers for the client.
    pub headers: Headers,
}

/// Reads a stream up to its first content.
pub async fn until_content(settlement: &mut Settlement, answer: OutboundAnswer, way: Way) -> Reply {
    let OutboundAnswer { status, headers, body } = answer;
    if !may_be_stream(&headers) {
        return Reply::Failed(no_stream(settlement, status, &headers, body).await);
    }
    let plan = pipe::Plan {
        upstream: way.upstream,
        client: settlement.request.client,
        renamed: settlement.renamed_model().map(str::to_owned),
        hide_usage: way.hide_usage,
        reply: settlement.reply(),
    };
    let Some(pipe) = Pipe::new(plan) else { return Reply::Failed(Failure::of(Judgement::of(Verdict::Server))) };
    let mut open = OpenStream {
        upstream: IdleTimeout::new(body, seconds(settlement.settings.stream_idle_s)),
        pipe,
        held: VecDeque::with_capacity(2),
        headers: settlement.upstream_headers(&headers),
    };
    if let Some(failure) = read_envelope(settlement, &mut open, status, &headers).await {
        return Reply::Failed(failure);
    }
    note_first_usage(settlement, open.pipe.tap.usage());
    Reply::Stream(Box::new(open))
}

/// An HTML page or a JSON document is no event stream; a missing content type is let through.
fn may_be_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    !kind.starts_with("text/html") && !kind.starts_with("application/json")
}

async fn no_stream(settlement: &Settlement, status: u16, headers: &HeaderMap, body: AnswerBody) -> Failure {
    let body = body.drain_error().await;
    let Some(lease) = &settlement.lease else { return Failure::of(Judgement::of(Verdict::Server)) };
    let head = head_of(settlement, status, headers, &body);
    let judgement = (upstream::adapter(lease.account.kind).classify)(&head, &lease.account);
    let verdict = if judgement.verdict == Verdict::Ok { Verdict::Server } else { judgement.verdict };
    Failure::of(Judgement { verdict, ..judgement })
}

/// Reads until content, the grace time or the size limit. Returns the failure when the attempt failed meanwhile.
async fn read_envelope(
    settlement: &mut Settlement,
    open: &mut OpenStream,
    status: u16,
    headers: &HeaderMap,
) -> Option<Failure> {
    let grace = std::time::Duration::from_millis(settlement.settings.stream_commit_grace_ms.unsigned_abs());
    let deadline = Instant::now() + grace;
    let mut held = 0;
    loop {
        // Nothing is committed before there is something to show; a silent upstream is the idle timer's business.
        let patience = if held == 0 { Instant::now() + LONG } else { deadline };
        let chunk = match timeout_at(patience, open.upstream.next()).await {
            Err(_) => return None,
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => return Some(broken(&error)),
            Ok(None) if open.pipe.tap.seen().terminal != Terminal::None => return None,
            Ok(None) => return Some(Failure::of(Judgement::of(Verdict::Server))),
        };
        held += chunk.len();
        if let Some(attempt) = &mut settlement.attempt {
            attempt.bytes += chunk.len() as u64;
        }
        match open.pipe.arrive(chunk) {
            Ok(kept) => open.held.push_back(kept),
            Err(_) => return Some(Failure::of(Judgement::of(Verdict::Server))),
        }
        if let Some(error) = open.pipe.tap.seen().error.as_ref().filter(|error| error.before_content) {
            let lease = settlement.lease.as_ref()?;
            let head = head_of(settlement, status, headers, &[]);
            let embedded = upstream::adapter(lease.account.kind).classify_embedded;
            return Some(Failure::of(embedded(error, &head, &lease.account)));
        }
        if open.pipe.tap.seen().semantic || open.pipe.tap.seen().terminal != Terminal::None || held >= MOST_HELD {
            return None;
        }
    }
}

/// A stream that breaks before its content has not answered.
fn broken(error: &TransportError) -> Failure {
    let slow = matches!(error, TransportError::IdleTimeout | TransportError::TotalTimeout);
    Failure { no_answer: !slow, ..Failure::of(Judgement::of(Verdict::Timeout)) }
}

fn note_first_usage(settlement: &mut Settlement, usage: Option<Usage>) {
    if let Some(attempt) = &mut settlement.attempt {
        attempt.ttft_ms = Some(attempt.elapsed_ms());
    }
    if let Some(usage) = usage {
        settlement.progress(usage);
    }
}
