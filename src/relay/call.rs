//! One account's turn: prepare, send, judge; and the repeats that stay on the same account (a replaced token, stripped
//! thinking blocks, a pool behind one key).

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use actors::domain::settings::Settings;
use actors::domain::verdict::{Judgement, Verdict};
use actors::guard::Lease;
use bytes::Bytes;

use super::answer::{WholeAnswer, id_headers};
use super::hold::{self, OpenStream};
use super::secrets::without_secrets;
use super::settle::Settlement;
use super::{Relay, RelayError, RelayRequest, whole};
use crate::dialect::{Surface, Wire, error, wire};
use crate::transport::{OutboundAnswer, OutboundCall, TransportError};
use crate::upstream::{self, AnswerHead, Inbound, Outbound, PrepareError, STRIP_FOREIGN};

/// A pool behind one account is asked again this often, after this pause.
const POOL_RETRIES: u32 = 3;
const POOL_PAUSE: Duration = Duration::from_millis(500);
/// The program that speaks when the client's request was written anew.
const OWN_AGENT: &str = concat!("QuotaLane/", env!("CARGO_PKG_VERSION"));
/// Where vendors put their request ids.
const UPSTREAM_IDS: [&str; 4] = ["request-id", "x-request-id", "x-amzn-requestid", "apim-request-id"];

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
    /// The request itself is at fault: no account could have been asked.
    pub own: Option<Box<RelayError>>,
    /// True when the connection was refused or reset rather than slow.
    pub no_answer: bool,
}

impl Failure {
    /// A failure without an answer.
    pub fn of(judgement: Judgement) -> Self {
        Self { judgement, answer: None, own: None, no_answer: false }
    }

    /// A failure that no account is to blame for.
    pub fn own(error: RelayError) -> Self {
        Self { own: Some(Box::new(error)), ..Self::of(Judgement::of(Verdict::Client)) }
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
    learn_seals(settlement).await;
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

/// A translated history may hold tool calls whose answers came through another instance of the fleet: what sealed them is
/// learnt before the history is written. With one instance there is nothing to learn.
async fn learn_seals(settlement: &Settlement) {
    let (signatures, request) = (&settlement.relay.shared().signatures, &settlement.request);
    let Some(lease) = settlement.lease.as_ref().filter(|_| signatures.is_shared()) else { return };
    let speaks = (upstream::adapter(lease.account.kind).surface)(request.client.dialect);
    if speaks.dialect != request.client.dialect {
        signatures.learn(request.key.id, &request.translations.calls(request)).await;
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
            repeats.stripped = has_thoughts(settlement);
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

/// True when the history, as the account gets it, holds thoughts that can be left out.
fn has_thoughts(settlement: &Settlement) -> bool {
    let Some(lease) = &settlement.lease else { return false };
    let without = outbound(&settlement.relay, &settlement.request, lease, &settlement.settings, true);
    without.is_ok_and(|(_, edits)| edits.contains(&STRIP_FOREIGN))
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
    let (outbound, way) = match ready(settlement, strip_thinking) {
        Ok(outbound) => outbound,
        Err(failure) => return Reply::Failed(failure),
    };
    note_overhead(settlement);
    match settlement.relay.egress().send(outbound).await {
        Ok(answer) => judge(settlement, answer, way).await,
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

/// The call of a leased account, on its way out through the account's proxy, and the names of the edits to its body.
///
/// # Errors
/// See [`Unprepared`].
pub fn outbound(
    relay: &Relay,
    request: &RelayRequest,
    lease: &Lease,
    settings: &Settings,
    strip_thinking: bool,
) -> Result<(OutboundCall, Vec<&'static str>), Unprepared> {
    let shared = relay.shared();
    let proxy = match lease.account.proxy {
        None => None,
        Some(id) if shared.proxy_rests(id, relay.now()) => return Err(Unprepared::Proxy),
        Some(id) => Some(shared.proxies.load().get(&id).cloned().ok_or(Unprepared::Proxy)?),
    };
    let prepared = prepare(relay, request, lease, strip_thinking)?;
    let call = OutboundCall {
        account: lease.account.id,
        method: prepared.method,
        url: prepared.url,
        headers: prepared.headers,
        body: prepared.body,
        proxy,
        connect_timeout: seconds(settings.connect_s),
        first_byte_timeout: seconds(settings.first_byte_s),
    };
    Ok((call, prepared.edits))
}

/// Builds the call and notes how its answer comes back, or says why this account cannot make it.
fn ready(settlement: &Settlement, strip_thinking: bool) -> Result<(OutboundCall, Way), Failure> {
    let Some(lease) = &settlement.lease else { return Err(Failure::of(Judgement::of(Verdict::Server))) };
    let (relay, request) = (&settlement.relay, &settlement.request);
    let made = outbound(relay, request, lease, &settlement.settings, strip_thinking);
    let (call, edits) = made.map_err(|error| match error {
        Unprepared::Proxy => Failure::of(Judgement::of(Verdict::Proxy)),
        Unprepared::Account(error) => {
            tracing::warn!(account.id = lease.account.id.0, %error, "account cannot be called");
            Failure::of(Judgement::of(Verdict::Server))
        }
        Unprepared::Request(error) => Failure::own(error),
    })?;
    for edit in &edits {
        relay.metrics().relay_edits(*edit).inc();
    }
    let upstream = (upstream::adapter(lease.account.kind).surface)(request.client.dialect);
    Ok((call, Way { upstream, hide_usage: edits.contains(&"chat.include_usage") }))
}

/// How an answer comes back.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// What the upstream speaks.
    pub upstream: Surface,
    /// We asked for a usage chunk that the client did not ask for.
    pub hide_usage: bool,
}

/// Why a call could not be prepared.
pub enum Unprepared {
    /// The account's proxy rests after a failure, or is gone.
    Proxy,
    /// The account's configuration is at fault.
    Account(PrepareError),
    /// The request cannot be said in the account's dialect.
    Request(RelayError),
}

/// The request for a leased account, translated where the account speaks another dialect.
///
/// # Errors
/// See [`Unprepared`].
fn prepare(relay: &Relay, request: &RelayRequest, lease: &Lease, strip_thinking: bool) -> Result<Outbound, Unprepared> {
    let adapter = upstream::adapter(lease.account.kind);
    let speaks = (adapter.surface)(request.client.dialect);
    let translated = speaks.dialect != request.client.dialect;
    let own = request.body();
    let called = (adapter.called)(&lease.account, &request.model);
    let mut headers =
        if translated { Cow::Owned(of_translated(request.headers())) } else { Cow::Borrowed(request.headers()) };
    let opened = !translated && request.client.wire == Wire::Bedrock && speaks.wire == Wire::Plain;
    let body = if translated {
        request
            .translations
            .body(request, speaks.dialect, &called, (&relay.shared().signatures, lease.account.id))
            .map_err(Unprepared::Request)?
    } else if opened {
        open_envelope(&own, &called, request.stream, headers.to_mut()).map_err(Unprepared::Request)?
    } else {
        own
    };
    let call = Inbound {
        endpoint: request.endpoint,
        method: request.http.method(),
        client: if translated || opened { Surface::plain(speaks.dialect) } else { request.client },
        translated,
        tail: &request.tail,
        query: Some(request.http.query_string()).filter(|query| !query.is_empty() && !translated),
        headers: &headers,
        body: &body,
        // By the requested name: the account maps it once. What was written anew names the upstream's model already.
        model: &request.model,
        model_span: request.model_span.clone().filter(|_| !translated && !opened),
        stream: request.stream,
        strip_thinking,
        now: relay.now(),
    };
    (adapter.prepare)(&call, &lease.account, &lease.credential).map_err(Unprepared::Account)
}

/// The headers of a request that was written anew: what the client said about itself belongs to another API.
fn of_translated(client: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(OWN_AGENT));
    if let Some(accept) = client.get(ACCEPT) {
        headers.insert(ACCEPT, accept.clone());
    }
    headers
}

/// A Bedrock client's body for an account that speaks plain Anthropic; its betas move to the header.
fn open_envelope(body: &[u8], model: &str, stream: bool, headers: &mut HeaderMap) -> Result<Bytes, RelayError> {
    let not_json = || RelayError::BadRequest("the request body is not a JSON object".to_owned());
    let opened = wire::request::open(body, model, stream).ok_or_else(not_json)?;
    if !opened.betas.is_empty()
        && let Ok(betas) = HeaderValue::from_str(&opened.betas.join(","))
    {
        headers.insert(HeaderName::from_static("anthropic-beta"), betas);
    }
    Ok(opened.body)
}

/// Where Amazon's SDKs read the kind of an error.
fn amazon_error(client: Surface, status: u16) -> Option<(HeaderName, HeaderValue)> {
    let word = HeaderValue::from_static(error::amzn_error_type(status));
    (client.wire == Wire::Bedrock).then(|| (HeaderName::from_static("x-amzn-errortype"), word))
}

/// A setting in seconds.
pub fn seconds(count: i64) -> Duration {
    Duration::from_secs(count.unsigned_abs())
}

fn transport_failure(error: &TransportError) -> Failure {
    let verdict = match error {
        e if e.is_proxy() => Verdict::Proxy,
        TransportError::TooLarge => return Failure::own(RelayError::BodyTooLarge),
        TransportError::Malformed(_) | TransportError::Invalid(_) | TransportError::Blocked(_) => Verdict::Server,
        _ => Verdict::Timeout,
    };
    tracing::debug!(error = error.label(), "upstream call failed");
    let no_answer = !matches!(error, TransportError::ConnectTimeout | TransportError::FirstByteTimeout);
    Failure { no_answer, ..Failure::of(Judgement::of(verdict)) }
}

/// Sorts an answer by its head: an error, a stream, or a message.
async fn judge(settlement: &mut Settlement, answer: OutboundAnswer, way: Way) -> Reply {
    note_head(settlement, &answer);
    if !(200..300).contains(&answer.status) {
        return Reply::Failed(refused(settlement, answer, way).await);
    }
    if settlement.request.stream {
        hold::until_content(settlement, answer, way).await
    } else {
        whole::whole(settlement, answer, way).await
    }
}

fn note_head(settlement: &mut Settlement, answer: &OutboundAnswer) {
    let now = settlement.relay.now();
    let Some(kind) = settlement.lease.as_ref().map(|lease| lease.account.kind) else { return };
    let Some(attempt) = &mut settlement.attempt else { return };
    attempt.status = Some(answer.status);
    attempt.ttfb_ms = Some(attempt.elapsed_ms());
    attempt.upstream_request_id = UPSTREAM_IDS
        .iter()
        .find_map(|name| answer.headers.get(*name)?.to_str().ok())
        .map(|id| id.chars().take(128).collect());
    attempt.windows = (upstream::adapter(kind).windows)(&answer.headers, now);
    settlement.relay.metrics().upstream_ttfb(kind.service()).observe(attempt.started.elapsed().as_secs_f64());
}

/// An answer with an error status. What is the client's own fault goes back to it unchanged.
async fn refused(settlement: &mut Settlement, answer: OutboundAnswer, way: Way) -> Failure {
    let OutboundAnswer { status, headers, body } = answer;
    let body = body.drain_error().await;
    if let Some(attempt) = &mut settlement.attempt {
        attempt.bytes = body.len() as u64;
    }
    let Some(lease) = &settlement.lease else { return Failure::of(Judgement::of(Verdict::Server)) };
    let body = without_secrets(body, &lease.credential);
    let head = head_of(settlement, status, &headers, &body);
    let judgement = (upstream::adapter(lease.account.kind).classify)(&head, &lease.account);
    let theirs = matches!(
        judgement.verdict,
        Verdict::Client | Verdict::ThinkingSignature | Verdict::NotALimit | Verdict::ModelUnknown
    );
    let answer = theirs.then(|| Box::new(passed_on(settlement, status, &headers, body, way)));
    Failure { answer, ..Failure::of(judgement) }
}

/// The part of an answer that an adapter judges.
pub fn head_of<'a>(settlement: &'a Settlement, status: u16, headers: &'a HeaderMap, body: &'a [u8]) -> AnswerHead<'a> {
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

/// The upstream's own words about the client's fault: unchanged in the same dialect, else in the client's envelope.
fn passed_on(settlement: &Settlement, status: u16, headers: &HeaderMap, body: Bytes, way: Way) -> WholeAnswer {
    let request = &settlement.request;
    if way.upstream == request.client {
        return client_answer(settlement, status, headers, body);
    }
    let read = error::theirs(way.upstream.dialect, &body).unwrap_or_default();
    let (status, body) = error::reword(request.client, status, &read, &request.arrival.request.to_string());
    let mut answer = client_answer(settlement, status, headers, Bytes::from(body));
    answer.headers.retain(|(name, _)| *name != CONTENT_TYPE);
    answer.headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
    answer.headers.extend(amazon_error(request.client, status));
    answer
}

/// An upstream's answer with the headers that the client may see.
pub fn client_answer(settlement: &Settlement, status: u16, headers: &HeaderMap, body: Bytes) -> WholeAnswer {
    let request = &settlement.request;
    let mut ours = id_headers(request.client.dialect, request.arrival.request, request.headers());
    ours.extend(settlement.upstream_headers(headers));
    WholeAnswer { status, headers: ours, body }
}
