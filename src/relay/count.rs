//! Token counting: the upstream's number when it can count, else our estimate. Free: no limits, no hold, no journal.

use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue};
use actors::domain::account::KindSet;
use actors::domain::id::AccountId;
use actors::domain::time::Timestamp;
use actors::domain::verdict::{AttemptReport, Judgement, Verdict};
use actors::guard::Lease;
use bytes::Bytes;

use super::admit::{self, Plan};
use super::answer::{Headers, WholeAnswer, id_headers};
use super::call::{Unprepared, outbound, seconds};
use super::secrets::without_secrets;
use super::{Relay, RelayError, RelayRequest};
use crate::dialect::count;
use crate::transport::TransportError;
use crate::upstream::{self, AnswerHead};

/// Accounts asked before the estimate is given.
const ATTEMPTS: u32 = 2;
/// Largest answer.
const LARGEST: usize = 1024 * 1024;

/// Counts the tokens of a prompt.
///
/// # Errors
/// When the key may not use the model, or the prompt is no request.
pub async fn count_tokens(relay: &Relay, request: &RelayRequest) -> Result<WholeAnswer, RelayError> {
    let settings = relay.settings();
    admit::permit(relay, request).await?;
    let plan = admit::plan(relay, request, &settings)?;
    if request.kinds.and(KindSet::of_platform(request.platform)).is_empty() {
        return Ok(estimated(request));
    }
    let mut excluded = Vec::new();
    for number in 1..=ATTEMPTS {
        match ask(relay, request, &plan, number, &excluded).await {
            Asked::Answer(answer) => return Ok(answer),
            Asked::Failed(account) => excluded.push(account),
            Asked::Nobody => break,
        }
    }
    Ok(estimated(request))
}

enum Asked {
    Answer(WholeAnswer),
    Failed(AccountId),
    Nobody,
}

async fn ask(relay: &Relay, request: &RelayRequest, plan: &Plan, number: u32, excluded: &[AccountId]) -> Asked {
    let settings = relay.settings();
    let question = admit::question(request, plan, number, true, excluded, &settings);
    let Ok(grant) = relay.engine().scheduler.route(question).await else { return Asked::Nobody };
    let (lease, started_at) = (grant.lease, relay.now());
    let (account, credential_version) = (lease.account.id, lease.credential.version);
    let (judgement, answer) = match send(relay, request, &lease).await {
        Ok(sent) => sent,
        Err(failed) => (failed, None),
    };
    let report = report(request, judgement, started_at, relay.now());
    lease.finish(AttemptReport { credential_version, ..report });
    answer.map_or(Asked::Failed(account), Asked::Answer)
}

/// One upstream call: what it meant, and the answer for the client when there is one.
async fn send(
    relay: &Relay,
    request: &RelayRequest,
    lease: &Lease,
) -> Result<(Judgement, Option<WholeAnswer>), Judgement> {
    // A request that cannot be prepared is no fault of the account: the estimate serves.
    let (outbound, _) = outbound(relay, request, lease, &relay.settings(), false).map_err(|error| match error {
        Unprepared::Proxy => Judgement::of(Verdict::Proxy),
        Unprepared::Account(_) | Unprepared::Request(_) => Judgement::of(Verdict::Cancelled),
    })?;
    let head = relay.egress().send(outbound).await.map_err(|error| failed(&error))?;
    let (status, headers) = (head.status, head.headers);
    let timeout = seconds(relay.settings().total_s);
    let body = head.body.collect(LARGEST, timeout).await.map_err(|error| failed(&error))?;
    let body = if status == 200 { body } else { without_secrets(body, &lease.credential) };
    let speaks = (upstream::adapter(lease.account.kind).surface)(request.client.dialect);
    if let Some(tokens) = count::tokens(&body).filter(|_| status == 200) {
        let body = if speaks == request.client { body } else { count::body(request.client, tokens).into() };
        return Ok((Judgement::of(Verdict::Ok), Some(whole(request, 200, Vec::new(), body))));
    }
    let answer = AnswerHead {
        status,
        headers: &headers,
        body: &body,
        now: relay.now(),
        model: &request.model,
        family: &request.family,
        stream: false,
    };
    let judgement = (upstream::adapter(lease.account.kind).classify)(&answer, &lease.account);
    // A relay without this endpoint answers 404: that is no fault of the account, and our estimate serves.
    let judgement = if status == 404 { Judgement::of(Verdict::Client) } else { judgement };
    let theirs = judgement.verdict == Verdict::Client && status != 404 && speaks == request.client;
    let headers_of = upstream::adapter(lease.account.kind).response_headers;
    let passed = theirs.then(|| whole(request, status, headers_of(&headers, false), body));
    Ok((judgement, passed))
}

fn failed(error: &TransportError) -> Judgement {
    Judgement::of(if error.is_proxy() { Verdict::Proxy } else { Verdict::Timeout })
}

fn report(
    request: &RelayRequest,
    judgement: Judgement,
    started_at: Timestamp,
    finished_at: Timestamp,
) -> AttemptReport {
    AttemptReport {
        judgement,
        model: Arc::clone(&request.model),
        started_at,
        finished_at,
        status: None,
        first_token_ms: None,
        credential_version: 0,
        windows: Vec::new(),
        tokens: Some(0),
        cost: None,
    }
}

fn whole(request: &RelayRequest, status: u16, mut theirs: Headers, body: Bytes) -> WholeAnswer {
    let mut headers = id_headers(request.client.dialect, request.arrival.request, request.headers());
    headers.append(&mut theirs);
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push((HeaderName::from_static("content-type"), HeaderValue::from_static("application/json")));
    }
    WholeAnswer { status, headers, body }
}

fn estimated(request: &RelayRequest) -> WholeAnswer {
    let mut answer = whole(request, 200, Vec::new(), count::body(request.client, request.input_estimate).into());
    let name = HeaderName::from_static("x-quotalane-estimated");
    answer.headers.push((name, HeaderValue::from_static("true")));
    answer
}
