//! One account's turn: prepare, send, judge; and the repeats that stay on the same account (a replaced token, stripped
//! thinking blocks, a pool behind one key).

use std::time::Duration;

use actors::domain::verdict::{Judgement, Verdict};
use bytes::Bytes;

use super::RelayError;
use super::answer::{WholeAnswer, id_headers};
use super::hold::{self, OpenStream};
use super::settle::{End, Settlement};
use crate::dialect::anthropic::answer as message;
use crate::dialect::edit;
use crate::dialect::model_name::rename_answer;
use crate::transport::{OutboundAnswer, OutboundCall, TransportError};
use crate::upstream::{self, AnswerHead, Inbound};

/// A pool behind one account is asked again this often, after this pause.
const POOL_RETRIES: u32 = 3;
const POOL_PAUSE: Duration = Duration::from_millis(500);
/// Largest complete answer.
const LARGEST_ANSWER: usize = 256 * 1024 * 1024;

/// What came of one account.
pub enum Reply {
    /// A complete answer; the settlement is finished.
    Whole(WholeAnswer),
    /// A stream that has shown content.
    Stream(Box<OpenStream>),
    /// Nothing that may be given to the client; the attempt is closed, the account not yet left.
    Failed(Failure),
}

/// Why an attempt brought nothing.
#[derive(Debug)]
pub struct Failure {
    /// What the answer meant.
    pub judgement: Judgement,
    /// The upstream's own answer, when it is the client's business.
    pub answer: Option<Box<WholeAnswer>>,
    /// True when the connection was refused or reset rather than slow.
    pub no_answer: bool,
}

impl Failure {
    /// A failure without an answer.
    pub fn of(judgement: Judgement) -> Self {
        Self { judgement, answer: None, no_answer: false }
    }
}

/// What was already done on this account.
#[derive(Default)]
struct Repeats {
    token_replaced: bool,
    stripped: bool,
    pool: u32,
}

/// Tries the leased account.
pub async fn on_account(settlement: &mut Settlement) -> Result<Reply, RelayError> {
    let mut repeats = Repeats { stripped: settlement.strip_on_move(), ..Repeats::default() };
    loop {
        settlement.open()?;
        let reply = once(settlement, repeats.stripped).await;
        let Reply::Failed(failure) = reply else { return Ok(reply) };
        let failure = second_refusal(failure, &repeats);
        settlement.close_attempt(failure.judgement.clone());
        if !repeat(settlement, &failure, &mut repeats).await {
            return Ok(Reply::Failed(failure));
        }
    }
}

/// A token that is refused although it was just replaced is not expired but unauthorised.
fn second_refusal(mut failure: Failure, repeats: &Repeats) -> Failure {
    if repeats.token_replaced && failure.judgement.verdict == Verdict::AuthExpired {
        failure.judgement.verdict = Verdict::AuthInvalid;
    }
    failure
}

/// Whether the same account is asked again, after what that takes.
async fn repeat(settlement: &mut Settlement, failure: &Failure, repeats: &mut Repeats) -> bool {
    match failure.judgement.verdict {
        Verdict::AuthExpired if !repeats.token_replaced => {
            repeats.token_replaced = true;
            replace_token(settlement).await
        }
        Verdict::ThinkingSignature if !repeats.stripped => {
            repeats.stripped = edit::strip_thinking(&settlement.request.body()).is_some();
            repeats.stripped
        }
        verdict if verdict.may_switch() && repeats.pool < POOL_RETRIES && settlement.is_pool_account() => {
            repeats.pool += 1;
            tokio::time::sleep(POOL_PAUSE).await;
            true
        }
        _ => false,
    }
}

/// Waits for a token newer than the refused one. The account's actor shares one exchange among all who wait.
async fn replace_token(settlement: &mut Settlement) -> bool {
    let Some(lease) = &mut settlement.lease else { return false };
    let accounts = &settlement.relay.engine().accounts;
    match accounts.newer_credential(lease.account.id, lease.credential.version).await {
        Ok(newer) => {
            lease.credential = newer;
            true
        }
        Err(_) => false,
    }
}

/// One upstream call.
async fn once(settlement: &mut Settlement, strip_thinking: bool) -> Reply {
    let outbound = match outbound(settlement, strip_thinking) {
        Ok(outbound) => outbound,
        Err(failure) => return Reply::Failed(failure),
    };
    note_overhead(settlement);
    match settlement.relay.egress().send(outbound).await {
        Ok(answer) => judge(settlement, answer).await,
        Err(error) => Reply::Failed(transport_failure(&error)),
    }
}

/// What the relay itself took until the first upstream call; waits for slots are not its work.
fn note_overhead(settlement: &Settlement) {
    if settlement.number == 1 {
        let request = &settlement.request;
        let queued = Duration::from_millis(settlement.queue_ms.unsigned_abs());
        let took = request.ready.elapsed().saturating_sub(queued);
        settlement.relay.metrics().relay_overhead(request.stream).observe(took.as_secs_f64());
    }
}

/// Builds the call, or says why this account cannot make it.
fn outbound(settlement: &Settlement, strip_thinking: bool) -> Result<OutboundCall, Failure> {
    let Some(lease) = &settlement.lease else { return Err(Failure::of(Judgement::of(Verdict::Server))) };
    let (request, shared) = (&settlement.request, settlement.relay.shared());
    let proxy = match lease.account.proxy {
        None => None,
        Some(id) if shared.proxy_rests(id, settlement.relay.now()) => {
            return Err(Failure::of(Judgement::of(Verdict::Proxy)));
        }
        Some(id) => {
            let known = shared.proxies.load().get(&id).cloned();
            Some(known.ok_or_else(|| Failure::of(Judgement::of(Verdict::Proxy)))?)
        }
    };
    let body = request.body();
    let inbound = Inbound {
        endpoint: request.endpoint,
        method: request.http.method(),
        client: request.client,
        translated: false,
        tail: "",
        query: Some(request.http.query_string()).filter(|query| !query.is_empty()),
        headers: request.headers(),
        body: &body,
        model: &request.model,
        model_span: Some(request.model_span.clone()),
        stream: request.stream,
        strip_thinking,
        now: settlement.relay.now(),
    };
    let prepared = (upstream::adapter(lease.account.kind).prepare)(&inbound, &lease.account, &lease.credential)
        .map_err(|error| {
            tracing::warn!(account.id = lease.account.id.0, %error, "account cannot be called");
            Failure::of(Judgement::of(Verdict::Server))
        })?;
    for edit in &prepared.edits {
        settlement.relay.metrics().relay_edits(*edit).inc();
    }
    Ok(OutboundCall {
        account: lease.account.id,
        method: prepared.method,
        url: prepared.url,
        headers: prepared.headers,
        body: prepared.body,
        proxy,
        connect_timeout: seconds(settlement.settings.connect_s),
        first_byte_timeout: seconds(settlement.settings.first_byte_s),
    })
}

/// A setting in seconds.
pub fn seconds(count: i64) -> Duration {
    Duration::from_secs(count.unsigned_abs())
}

fn transport_failure(error: &TransportError) -> Failure {
    let verdict = match error {
        e if e.is_proxy() => Verdict::Proxy,
        TransportError::TooLarge => Verdict::Client,
        TransportError::Malformed(_) | TransportError::Invalid(_) | TransportError::Blocked(_) => Verdict::Server,
        _ => Verdict::Timeout,
    };
    tracing::debug!(error = error.label(), "upstream call failed");
    let no_answer = !matches!(error, TransportError::ConnectTimeout | TransportError::FirstByteTimeout);
    let answer = (verdict == Verdict::Client).then(|| {
        let body = Bytes::from_static(
            br#"{"type":"error","error":{"type":"request_too_large","message":"the request body is too large"}}"#,
        );
        Box::new(WholeAnswer { status: 413, headers: Vec::new(), body })
    });
    Failure { judgement: Judgement::of(verdict), answer, no_answer }
}

/// Sorts an answer by its head: an error, a stream, or a message.
async fn judge(settlement: &mut Settlement, answer: OutboundAnswer) -> Reply {
    note_head(settlement, &answer);
    if !(200..300).contains(&answer.status) {
        return Reply::Failed(refused(settlement, answer).await);
    }
    if settlement.request.stream {
        hold::until_content(settlement, answer).await
    } else {
        whole(settlement, answer).await
    }
}

fn note_head(settlement: &mut Settlement, answer: &OutboundAnswer) {
    let now = settlement.relay.now();
    let Some(kind) = settlement.lease.as_ref().map(|lease| lease.account.kind) else { return };
    let Some(attempt) = &mut settlement.attempt else { return };
    attempt.status = Some(answer.status);
    attempt.ttfb_ms = Some(attempt.elapsed_ms());
    attempt.upstream_request_id =
        answer.headers.get("request-id").and_then(|id| id.to_str().ok()).map(|id| id.chars().take(128).collect());
    attempt.windows = (upstream::adapter(kind).windows)(&answer.headers, now);
    settlement.relay.metrics().upstream_ttfb(kind.service()).observe(attempt.started.elapsed().as_secs_f64());
}

/// An answer with an error status. What is the client's own fault goes back to it unchanged.
async fn refused(settlement: &mut Settlement, answer: OutboundAnswer) -> Failure {
    let OutboundAnswer { status, headers, body } = answer;
    let body = body.drain_error().await;
    if let Some(attempt) = &mut settlement.attempt {
        attempt.bytes = body.len() as u64;
    }
    let Some(lease) = &settlement.lease else { return Failure::of(Judgement::of(Verdict::Server)) };
    let head = head_of(settlement, status, &headers, &body);
    let judgement = (upstream::adapter(lease.account.kind).classify)(&head, &lease.account);
    let theirs = matches!(
        judgement.verdict,
        Verdict::Client | Verdict::ThinkingSignature | Verdict::NotALimit | Verdict::ModelUnknown
    );
    let answer = theirs.then(|| Box::new(client_answer(settlement, status, &headers, body)));
    Failure { judgement, answer, no_answer: false }
}

/// The part of an answer that an adapter judges.
pub fn head_of<'a>(
    settlement: &'a Settlement,
    status: u16,
    headers: &'a actix_web::http::header::HeaderMap,
    body: &'a [u8],
) -> AnswerHead<'a> {
    AnswerHead {
        status,
        headers,
        body,
        now: settlement.relay.now(),
        model: &settlement.request.model,
        family: &settlement.request.family,
        stream: settlement.request.stream,
    }
}

/// An upstream's answer with the headers that the client may see.
fn client_answer(
    settlement: &Settlement,
    status: u16,
    headers: &actix_web::http::header::HeaderMap,
    body: Bytes,
) -> WholeAnswer {
    let mut ours = id_headers(settlement.request.arrival.request, settlement.request.headers());
    ours.extend(settlement.upstream_headers(headers));
    WholeAnswer { status, headers: ours, body }
}

/// A complete message: read to its end, checked, settled, and only then given away.
async fn whole(settlement: &mut Settlement, answer: OutboundAnswer) -> Reply {
    let OutboundAnswer { status, headers, body } = answer;
    let body = match body.collect(LARGEST_ANSWER, seconds(settlement.settings.total_s)).await {
        Ok(body) => body,
        Err(TransportError::TotalTimeout | TransportError::IdleTimeout) => {
            return Reply::Failed(Failure::of(Judgement::of(Verdict::Timeout)));
        }
        Err(_) => return Reply::Failed(Failure::of(Judgement::of(Verdict::Server))),
    };
    let Some(lease) = &settlement.lease else {
        return Reply::Failed(Failure::of(Judgement::of(Verdict::Server)));
    };
    let Some(read) = message::parse(&body) else {
        let head = head_of(settlement, status, &headers, &body);
        let judgement = (upstream::adapter(lease.account.kind).classify)(&head, &lease.account);
        let verdict = if judgement.verdict == Verdict::Ok { Verdict::Server } else { judgement.verdict };
        return Reply::Failed(Failure::of(Judgement { verdict, ..judgement }));
    };
    let body = settlement.renamed_model().map_or(body.clone(), |name| rename_answer(&body, name));
    if let Some(attempt) = &mut settlement.attempt {
        attempt.bytes = body.len() as u64;
        attempt.ttft_ms = Some(attempt.elapsed_ms());
        attempt.usage = read.usage;
        attempt.usage_final = attempt.usage.is_some();
        attempt.output = read.output;
        attempt.content_sent = true;
    }
    let mut answer = client_answer(settlement, status, &headers, body);
    super::answer::limit_headers(settlement.limits(), &mut answer.headers);
    settlement.bytes_out = answer.body.len() as u64;
    settlement.finish(&End::ok(status));
    Reply::Whole(answer)
}
