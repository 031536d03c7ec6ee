//! What becomes of attempts that were open when their process died: settled at the last usage seen, else released.

use std::collections::BTreeMap;

use actors::domain::id::{AttemptId, RequestId};
use actors::domain::time::Timestamp;
use actors::domain::usage::{
    AttemptOpened, AttemptProgress, AttemptRow, Cost, RequestRow, RequestStatus, Usage, UsageEvent,
};

/// An open attempt as the journal shows it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) opened: Box<AttemptOpened>,
    pub(super) progress: Option<Box<AttemptProgress>>,
}

/// Events that end these attempts. Of each request the last attempt ends the request; earlier ones end by themselves.
pub(super) fn events(open: BTreeMap<AttemptId, Found>, now: Timestamp) -> Vec<UsageEvent> {
    let mut last: BTreeMap<RequestId, AttemptId> = BTreeMap::new();
    for attempt in open.keys() {
        last.insert(attempt.request, *attempt);
    }
    let event = |(attempt, found): (AttemptId, Found)| {
        let row = Box::new(attempt_row(&found, now));
        if last.get(&attempt.request) == Some(&attempt) {
            UsageEvent::Request(Box::new(request_row(&found, now)), Some(row))
        } else {
            UsageEvent::Attempt(row)
        }
    };
    open.into_iter().map(event).collect()
}

fn attempt_row(found: &Found, now: Timestamp) -> AttemptRow {
    let opened = &found.opened;
    AttemptRow {
        attempt: opened.attempt,
        account: opened.account,
        model_upstream: opened.model_upstream.clone(),
        upstream_request_id: None,
        started_at: opened.started_at,
        http_status: None,
        verdict: RequestStatus::Interrupted.as_str().to_owned(),
        switched: false,
        usage: found.progress.as_ref().map(|progress| progress.usage.clone()),
        upstream_cost: found.progress.as_ref().map(|progress| progress.cost.upstream).unwrap_or_default(),
        ttfb_ms: None,
        ttft_ms: None,
        total_ms: now.since(opened.started_at).max(0),
        bytes: 0,
    }
}

fn request_row(found: &Found, now: Timestamp) -> RequestRow {
    let opened = &found.opened;
    let (usage, cost) = match &found.progress {
        Some(progress) => (progress.usage.clone(), progress.cost),
        None => (Usage::default(), Cost::default()),
    };
    RequestRow {
        request: opened.attempt.request,
        started_at: opened.request_started_at,
        ended_at: now,
        user: opened.user,
        key: opened.key,
        // The journal does not say; the columns may not be empty.
        dialect: "unknown".to_owned(),
        route: "unknown".to_owned(),
        client: None,
        client_request_id: None,
        session: None,
        model: opened.model.clone(),
        model_upstream: Some(opened.model_upstream.clone()),
        account: Some(opened.account),
        kind: Some(opened.kind),
        stream: opened.stream,
        status: RequestStatus::Interrupted,
        // What the client saw, if anything, is not known.
        http_status: 0,
        error: Some("interrupted".to_owned()),
        attempts: opened.attempt.number,
        usage,
        cost,
        price: opened.price,
        eff_ppm: opened.eff_ppm,
        flags: Vec::new(),
        windows: opened.windows.clone(),
        funds: opened.funds.clone(),
        queue_ms: 0,
        ttfb_ms: None,
        ttft_ms: None,
        total_ms: now.since(opened.request_started_at).max(0),
        bytes_in: 0,
        bytes_out: 0,
        ip: None,
    }
}
