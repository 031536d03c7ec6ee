//! The invariants that join the three records. Each is one function; `forged` feeds each a violation.

use std::collections::{BTreeMap, BTreeSet};

use bench::messages::Facts;
use bench::rig::mock::Call;

use crate::evidence::{Counts, Evidence, Request};
use crate::stage::CREDENTIALS;
use crate::traffic::Exchange;

/// Upstream calls that one request may cost.
const MAX_ATTEMPTS: usize = 4;

/// Every violation, each with the records that show it.
pub fn violations(evidence: &Evidence) -> Vec<String> {
    let rules: [fn(&Evidence) -> Vec<String>; 8] = [
        attempts_match_calls,
        whole_answers_have_one_row,
        unfinished_requests_never_exceed_the_upstream,
        charges_add_up,
        attempts_are_few,
        only_our_credentials_were_seen,
        nothing_is_left_open,
        old_rows_are_unchanged,
    ];
    rules.iter().flat_map(|rule| rule(evidence)).collect()
}

/// Fails with every violation.
pub fn check(evidence: &Evidence) -> anyhow::Result<()> {
    let found = violations(evidence);
    anyhow::ensure!(found.is_empty(), "{} violations:\n  {}", found.len(), found.join("\n  "));
    Ok(())
}

/// I1: an attempt row names a call that happened, once; a call that was answered to the end has its row.
fn attempts_match_calls(evidence: &Evidence) -> Vec<String> {
    let calls: BTreeSet<&str> = evidence.calls.iter().map(|call| call.id.as_str()).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for attempt in &evidence.attempts {
        let Some(upstream) = attempt.upstream.as_deref() else { continue };
        if !calls.contains(upstream) {
            found.push(format!("I1: attempt row without a call: {attempt:?}"));
        }
        if !seen.insert(upstream) {
            found.push(format!("I1: two attempt rows for the call {upstream}: {attempt:?}"));
        }
    }
    found
}

/// I2: a whole answer at a client has exactly one row, `ok`, with the counts that the client saw and the upstream sent.
fn whole_answers_have_one_row(evidence: &Evidence) -> Vec<String> {
    let mut rows: BTreeMap<&str, Vec<&Request>> = BTreeMap::new();
    for row in &evidence.requests {
        rows.entry(row.id.as_str()).or_default().push(row);
    }
    let mut found = Vec::new();
    for exchange in evidence.exchanges.iter().filter(|exchange| exchange.is_whole()) {
        let mine = exchange.request_id.as_deref().and_then(|id| rows.get(id)).map_or(&[][..], Vec::as_slice);
        match mine {
            [row] if row.status == "ok" && row.counts == seen(&exchange.facts) => {
                found.extend(upstream_agrees(evidence, exchange, row));
            }
            [] => found.push(format!("I2: lost: no row for {exchange:?}")),
            [row] => found.push(format!("I2: row differs from the answer: {row:?}, {exchange:?}")),
            more => found.push(format!("I2: duplicate: {} rows for {exchange:?}", more.len())),
        }
    }
    found
}

/// The last attempt of a row says what the upstream says about that very call.
fn upstream_agrees(evidence: &Evidence, exchange: &Exchange, row: &Request) -> Option<String> {
    let attempt = evidence.attempts.iter().rfind(|attempt| attempt.request == row.id)?;
    let call = evidence.calls.iter().find(|call| Some(call.id.as_str()) == attempt.upstream.as_deref());
    match call {
        None => Some(format!("I2: no call for the answered attempt {attempt:?} of {exchange:?}")),
        Some(call) if sent(call) != row.counts => Some(format!("I2: row differs from the upstream: {row:?}, {call:?}")),
        Some(_) => None,
    }
}

/// I3: a request that did not finish is never `ok`, and never charged for more than the upstream sent.
fn unfinished_requests_never_exceed_the_upstream(evidence: &Evidence) -> Vec<String> {
    let broken: BTreeSet<&str> = evidence
        .exchanges
        .iter()
        .filter(|e| !e.is_whole() && e.status == 200)
        .filter_map(|e| e.request_id.as_deref())
        .collect();
    let calls: BTreeMap<&str, &Call> = evidence.calls.iter().map(|call| (call.id.as_str(), call)).collect();
    let mut found = Vec::new();
    for row in evidence.requests.iter().filter(|row| row.status != "ok") {
        let upstream = evidence.attempts.iter().rfind(|a| a.request == row.id).and_then(|a| a.upstream.as_deref());
        let Some(call) = upstream.and_then(|id| calls.get(id)) else { continue };
        let limit = most(call, row.estimated);
        if row.counts.output > limit.output || row.counts.input > limit.input {
            found.push(format!("I3: charged for more than was sent ({limit:?}): {row:?}"));
        }
    }
    // A client that was cut off may still have an `ok` row: the settled record is written before its last byte leaves.
    // What it must not have is none at all once its head has arrived.
    let known: BTreeSet<&str> = evidence.requests.iter().map(|row| row.id.as_str()).collect();
    found.extend(broken.difference(&known).map(|id| format!("I3: no row for the interrupted request {id}")));
    found
}

/// I4: every sum that is kept elsewhere equals the sum over the rows; a request without tokens costs nothing.
fn charges_add_up(evidence: &Evidence) -> Vec<String> {
    let total: i64 = evidence.requests.iter().map(|row| row.charge).sum();
    let mut found: Vec<String> = evidence
        .sums
        .charges
        .iter()
        .filter(|(_, sum)| *sum != total)
        .map(|(place, sum)| format!("I4: {place} says {sum} nanos, the rows say {total}"))
        .collect();
    let free = evidence.requests.iter().filter(|row| row.counts == Counts::default() && row.charge != 0);
    found.extend(free.map(|row| format!("I4: charged for nothing: {row:?}")));
    let unpaid = evidence.requests.iter().filter(|row| row.status == "ok" && row.counts.output > 0 && row.charge <= 0);
    found.extend(unpaid.map(|row| format!("I4: tokens for nothing: {row:?}")));
    found
}

/// I5: at most four attempts per request, as many rows as the request says.
fn attempts_are_few(evidence: &Evidence) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for attempt in &evidence.attempts {
        *counts.entry(attempt.request.as_str()).or_default() += 1;
    }
    let mut found: Vec<String> = counts
        .iter()
        .filter(|(_, count)| **count > MAX_ATTEMPTS)
        .map(|(request, count)| format!("I5: {count} attempts for {request}"))
        .collect();
    for row in evidence.requests.iter().filter(|row| row.status != "interrupted") {
        let rows = counts.get(row.id.as_str()).copied().unwrap_or_default();
        if i64::try_from(rows) != Ok(row.attempts) {
            found.push(format!("I5: {rows} attempt rows for {row:?}"));
        }
    }
    found
}

/// I7: the upstream sees the credential of an account, never a client's key.
fn only_our_credentials_were_seen(evidence: &Evidence) -> Vec<String> {
    evidence
        .calls
        .iter()
        .filter(|call| !CREDENTIALS.iter().any(|ours| call.credential.contains(ours)))
        .map(|call| format!("I7: foreign credential at the upstream: {call:?}"))
        .collect()
}

/// I9: after a quiet second nothing is held, open or pending.
fn nothing_is_left_open(evidence: &Evidence) -> Vec<String> {
    evidence
        .gauges
        .iter()
        .filter(|(_, value)| *value != 0.0)
        .map(|(name, value)| format!("I9: {name} is {value}"))
        .collect()
}

/// I10: rows are append-only.
fn old_rows_are_unchanged(evidence: &Evidence) -> Vec<String> {
    let now: BTreeMap<&str, &Request> = evidence.requests.iter().map(|row| (row.id.as_str(), row)).collect();
    evidence
        .before
        .iter()
        .filter(|old| now.get(old.id.as_str()).is_none_or(|row| row != old))
        .map(|old| format!("I10: changed: {old:?} is now {:?}", now.get(old.id.as_str())))
        .collect()
}

/// The most that may be charged for a call that did not finish. Without a final report the output is counted from the
/// streamed text, which has fewer tokens than the body has bytes.
fn most(call: &Call, estimated: bool) -> Counts {
    let sent = sent(call);
    let bytes = call.rest.get("bytes").and_then(serde_json::Value::as_i64).unwrap_or(0);
    if estimated { Counts { output: sent.output.max(bytes), ..sent } } else { sent }
}

fn seen(facts: &Facts) -> Counts {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    Counts {
        input: signed(facts.input.unwrap_or(0)),
        cache_read: signed(facts.cache_read),
        cache_write: signed(facts.cache_write),
        output: signed(facts.output.unwrap_or(0)),
    }
}

fn sent(call: &Call) -> Counts {
    let number = |name: &str| call.usage[name].as_i64().unwrap_or(0);
    Counts {
        input: number("input_tokens"),
        cache_read: number("cache_read_input_tokens"),
        cache_write: number("ephemeral_5m_input_tokens") + number("ephemeral_1h_input_tokens"),
        output: number("output_tokens"),
    }
}
