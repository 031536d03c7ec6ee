//! A complete answer: read to its end, checked, settled, and only then given away.

use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use actors::domain::route::Endpoint;
use actors::domain::usage::Usage;
use actors::domain::verdict::{Judgement, Verdict};
use bytes::Bytes;

use super::answer::limit_headers;
use super::call::{Failure, Reply, Way, client_answer, head_of, seconds};
use super::settle::{End, Settlement};
use super::signatures::{Seal, Sealed};
use crate::dialect::convert::{self, Reply as ReplyAs};
use crate::dialect::estimate::TextBytes;
use crate::dialect::form::Answer;
use crate::dialect::model_name::rename_answer;
use crate::dialect::tap::Terminal;
use crate::dialect::{Dialect, embeddings, form, gemini, responses, wire};
use crate::transport::{OutboundAnswer, TransportError};
use crate::upstream;

/// Largest complete answer.
const LARGEST: usize = 256 * 1024 * 1024;

/// What was read of an answer, and its bytes in the client's dialect, plain wire.
struct Taken {
    id: Option<String>,
    usage: Option<Usage>,
    output: TextBytes,
    body: Bytes,
    /// The bytes are JSON of ours, whatever the upstream's content type said.
    json: bool,
    /// The bytes are the upstream's, in its wrapping, which is the client's.
    raw: bool,
}

/// Reads, settles and returns a complete answer.
pub async fn whole(settlement: &mut Settlement, answer: OutboundAnswer, way: Way) -> Reply {
    let OutboundAnswer { status, headers, body } = answer;
    let body = match body.collect(LARGEST, seconds(settlement.settings.total_s)).await {
        Ok(body) => body,
        Err(TransportError::TotalTimeout | TransportError::IdleTimeout) => {
            return Reply::Failed(Failure::of(Judgement::of(Verdict::Timeout)));
        }
        Err(_) => return Reply::Failed(Failure::of(Judgement::of(Verdict::Server))),
    };
    let received = body.len() as u64;
    let taken = if is_event_stream(&headers) && settlement.request.endpoint == Endpoint::Generate {
        folded(settlement, &headers, status, &body, way)
    } else {
        read(settlement, &headers, status, &body, way)
    };
    let taken = match taken {
        Ok(taken) => taken,
        Err(failure) => return Reply::Failed(*failure),
    };
    let billable = settlement.request.endpoint.is_billable();
    if let Some(attempt) = &mut settlement.attempt {
        attempt.bytes = received;
        attempt.ttft_ms = Some(attempt.elapsed_ms());
        // A stored answer that is read again says what it cost when it was made.
        attempt.usage = taken.usage.filter(|_| billable);
        attempt.usage_final = attempt.usage.is_some();
        attempt.output = taken.output;
        attempt.content_sent = billable;
    }
    settlement.answered(way.upstream.dialect, taken.id.as_deref());
    let request = &settlement.request;
    let body = if taken.raw { taken.body } else { wire::whole::pack(request.client, taken.body) };
    let mut answer = client_answer(settlement, status, &headers, body);
    if taken.json {
        answer.headers.retain(|(name, _)| *name != CONTENT_TYPE);
        answer.headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
    }
    limit_headers(request.client.dialect, settlement.limits(), settlement.relay.now(), &mut answer.headers);
    settlement.bytes_out = answer.body.len() as u64;
    settlement.finish(&End::ok(status));
    Reply::Whole(answer)
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.starts_with("text/event-stream")
}

/// A JSON answer, or one of an endpoint whose answers need not be JSON.
fn read(
    settlement: &Settlement,
    headers: &HeaderMap,
    status: u16,
    body: &Bytes,
    way: Way,
) -> Result<Taken, Box<Failure>> {
    let request = &settlement.request;
    let same = way.upstream.dialect == request.client.dialect;
    let plain = wire::whole::unpack(way.upstream, body);
    let Some(found) = crate::dialect::read(way.upstream.dialect, &plain) else {
        if same && !matches!(request.endpoint, Endpoint::Generate | Endpoint::Embed) {
            let (output, raw) = (TextBytes::default(), false);
            return Ok(Taken { id: None, usage: None, output, body: plain, json: false, raw });
        }
        return Err(Box::new(no_answer(settlement, headers, status, body)));
    };
    let raw = way.upstream == request.client && settlement.renamed_model().is_none();
    let body = if raw {
        body.clone()
    } else if same {
        settlement
            .renamed_model()
            .map_or_else(|| plain.clone(), |name| rename_answer(way.upstream.dialect, &plain, name))
    } else {
        translated(settlement, &plain, way).ok_or_else(|| Box::new(no_answer(settlement, headers, status, body)))?
    };
    Ok(Taken { id: found.id, usage: found.usage, output: found.output, body, json: !same, raw })
}

fn translated(settlement: &Settlement, plain: &[u8], way: Way) -> Option<Bytes> {
    let request = &settlement.request;
    if request.endpoint == Endpoint::Embed {
        let asked = request.translations.asked()?;
        return embeddings::from_gemini(plain, asked, &request.model_written, request.input_estimate).map(Bytes::from);
    }
    let answer = convert::decode_answer(way.upstream.dialect, plain)?;
    keep_seals(settlement, &answer, plain, way.upstream.dialect);
    convert::encode_answer(request.client.dialect, &answer, &settlement.reply()).map(Bytes::from)
}

/// Keeps what sealed the tool calls of the answer for the next turn.
fn keep_seals(settlement: &Settlement, answer: &Answer, plain: &[u8], upstream: Dialect) {
    if upstream == Dialect::Gemini {
        for (call, signature) in gemini::decode::signatures(plain) {
            settlement.keep_seal(&call, Seal::Signature(signature));
        }
    }
    let mut sealed = Sealed::default();
    for event in form::unfold(answer.clone()) {
        if let Some((call, seal)) = sealed.event(&event) {
            settlement.keep_seal(&call, seal);
        }
    }
}

/// An upstream that only streams was asked for a client that does not: its stream makes one answer.
fn folded(
    settlement: &Settlement,
    headers: &HeaderMap,
    status: u16,
    body: &Bytes,
    way: Way,
) -> Result<Taken, Box<Failure>> {
    let mut tap = crate::dialect::tap(way.upstream.dialect);
    tap.feed(body);
    let seen = tap.seen();
    if let (Some(error), Some(lease)) = (&seen.error, &settlement.lease) {
        let head = head_of(settlement, status, headers, &[]);
        let embedded = upstream::adapter(lease.account.kind).classify_embedded;
        return Err(Box::new(Failure::of(embedded(error, &head, &lease.account))));
    }
    if seen.terminal == Terminal::None {
        return Err(Box::new(Failure::of(Judgement::of(Verdict::Server))));
    }
    let body = fold(settlement.request.client.dialect, way.upstream.dialect, body, &settlement.reply())
        .map(Bytes::from)
        .ok_or_else(|| Box::new(Failure::of(Judgement::of(Verdict::Server))))?;
    let same = way.upstream.dialect == settlement.request.client.dialect;
    let body = match settlement.renamed_model() {
        Some(name) if same => rename_answer(way.upstream.dialect, &body, name),
        _ => body,
    };
    Ok(Taken { id: seen.answer_id.clone(), usage: tap.usage(), output: seen.output, body, json: true, raw: false })
}

fn fold(client: Dialect, upstream: Dialect, body: &[u8], reply: &ReplyAs) -> Option<Vec<u8>> {
    if (client, upstream) == (Dialect::Responses, Dialect::Responses) {
        let mut fold = responses::fold::Fold::new();
        fold.feed(body);
        return match fold.finish() {
            responses::fold::Folded::Answer(answer) => Some(answer),
            responses::fold::Folded::Failed(_) | responses::fold::Folded::Truncated => None,
        };
    }
    let mut decoder = convert::decoder(upstream)?;
    let (mut events, mut fold) = (Vec::new(), form::Fold::new());
    decoder.feed(body, &mut events);
    decoder.end(&mut events);
    events.into_iter().for_each(|event| fold.push(event));
    convert::encode_answer(client, &fold.finish()?, reply)
}

/// A 2xx that is no answer: an error in disguise, or nothing that can be used.
fn no_answer(settlement: &Settlement, headers: &HeaderMap, status: u16, body: &[u8]) -> Failure {
    let Some(lease) = &settlement.lease else { return Failure::of(Judgement::of(Verdict::Server)) };
    let head = head_of(settlement, status, headers, body);
    let judgement = (upstream::adapter(lease.account.kind).classify)(&head, &lease.account);
    let verdict = if judgement.verdict == Verdict::Ok { Verdict::Server } else { judgement.verdict };
    Failure::of(Judgement { verdict, ..judgement })
}
