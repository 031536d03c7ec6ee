//! The end of every test: nothing is held any more, and three records of the same run agree – what the upstream emitted,
//! what the clients saw, what the product wrote down (`reliability.md` §7).

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use actors::domain::account::AccountKind;
use actors::domain::usage::{AttemptRow, RequestRow, RequestStatus, Tokens};
use quotalane::store::usage;

use super::app::{MODEL, TestApp};
use super::client::Answer;
use super::mock::Entry;
use super::speech::{Said, Tongue};
use super::sse::Stream;
use super::until;

/// A whole answer as its client saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    request: String,
    /// Everything that went in, cached or not.
    context: u64,
    output: u64,
}

impl Seen {
    /// `None` for anything but a whole message.
    pub fn of(answer: &Answer) -> Option<Self> {
        if answer.status != 200 || !answer.complete {
            return None;
        }
        let request = answer.request_id().to_owned();
        if answer.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) {
            let stream = Stream::read(&answer.body);
            let context = CONTEXT.iter().map(|name| stream.count(name)).sum();
            let output = stream.count("output_tokens");
            return stream.stopped.then_some(Self { request, context, output });
        }
        let usage = &answer.json()["usage"];
        let count = |name: &str| usage[name].as_u64();
        count("input_tokens")?;
        let context = CONTEXT.iter().filter_map(|name| count(name)).sum();
        Some(Self { request, context, output: count("output_tokens")? })
    }

    /// As a client of any tongue saw it.
    pub fn said(tongue: Tongue, answer: &Answer) -> Option<Self> {
        if answer.status != 200 || !answer.complete {
            return None;
        }
        let said = Said::of(tongue.form, answer);
        let (context, output) = said.usage.filter(|_| said.done && said.errors.is_empty())?;
        Some(Self { request: answer.request_id().to_owned(), context, output })
    }
}

/// What counts as input in Anthropic's usage.
const CONTEXT: [&str; 3] = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];

/// Waits until every gauge of an obligation is zero and all usage is stored.
pub async fn quiet(test: &TestApp) {
    let (engine, relay) = (&test.app().engine, &test.app().relay);
    until("no slot, hold, waiter, drain or pending usage is left", async || {
        if relay.in_flight.load(Ordering::Acquire) > 0 || relay.drains.load(Ordering::Acquire) > 0 {
            return false;
        }
        engine.usage.flush().await;
        let (billing, queue) = (engine.billing.stats(), engine.scheduler.queue().await);
        let views = engine.scheduler.views().await;
        billing.holds == 0
            && billing.permits == 0
            && engine.usage.stats().pending == 0
            && queue.key + queue.user + queue.pool == 0
            && views.iter().all(|view| view.slots_used == 0)
    })
    .await;
    for id in engine.accounts.ids() {
        if let Some(detail) = engine.accounts.detail(id).await {
            assert!(detail.leases.is_empty(), "account {} still lends {:?}", id.0, detail.leases);
        }
    }
    assert_eq!(engine.usage.stats().dead, 0, "usage was set aside");
}

/// Joins the records.
pub async fn check(test: &TestApp) {
    let db = &test.app().storage.db;
    let rows = usage::list(db, &usage::RequestFilter::default(), 10_000).await.unwrap();
    let mut attempts = Vec::new();
    for row in &rows {
        let (full, tried) = usage::get(db, row.request, None).await.unwrap().unwrap();
        attempts_are_in_order(&full, &tried);
        charge_is_right(&full, &tried);
        attempts.extend(tried.into_iter().map(|attempt| (full.clone(), attempt)));
    }
    let (named, nameless): (Vec<Entry>, Vec<Entry>) = test.mock.attempts().await.into_iter().partition(Entry::is_named);
    let calls: HashMap<String, Entry> = named.into_iter().map(|entry| (entry.id.clone(), entry)).collect();
    calls_are_attempts(&calls, &attempts);
    nameless_calls_are_attempts(&nameless, &attempts);
    for (row, attempt) in &attempts {
        usage_is_the_vendors(row, attempt, &calls);
    }
    answers_are_rows(&test.seen.borrow(), &rows);
    sums_are_right(test, &rows).await;
}

/// I5: attempts are numbered from 1, and the row knows their number.
fn attempts_are_in_order(row: &RequestRow, attempts: &[AttemptRow]) {
    let numbers: Vec<u32> = attempts.iter().map(|attempt| attempt.attempt.number).collect();
    let expected: Vec<u32> = (1..=row.attempts).collect();
    assert_eq!(numbers, expected, "attempts of {row:?}");
}

/// I4: the charge is what the counts cost by the list, worked out here by hand.
fn charge_is_right(row: &RequestRow, attempts: &[AttemptRow]) {
    let parts = attempts.last().and_then(|attempt| attempt.usage.as_ref()).map_or(&[][..], |usage| &usage.parts);
    let of_others = parts.iter().any(|part| part.model.is_some());
    // Amazon's regional endpoints have prices of their own.
    let elsewhere = row.kind == Some(AccountKind::Bedrock);
    if row.model != MODEL || row.usage.fast || row.price.is_none() || of_others || elsewhere {
        return;
    }
    let tokens = &row.usage.tokens;
    let nanos = |count: u64, price: i128| i128::from(count) * price;
    let list = nanos(tokens.input, 3_000)
        + nanos(tokens.cache_read, 300)
        + nanos(tokens.cache_w5m, 3_750)
        + nanos(tokens.cache_w1h, 6_000)
        + nanos(tokens.output, 15_000)
        + nanos(tokens.web_search, 10_000_000);
    let charge = (list * i128::from(row.eff_ppm) + 500_000).div_euclid(1_000_000);
    assert_eq!((i128::from(row.cost.list.0), i128::from(row.cost.charge.0)), (list, charge), "{row:?}");
}

/// I1: every call that returned a head has exactly one attempt row, and there is no row of a call that never was.
fn calls_are_attempts(calls: &HashMap<String, Entry>, attempts: &[(RequestRow, AttemptRow)]) {
    let mut rows: HashMap<&str, usize> = HashMap::new();
    for (_, attempt) in attempts {
        if let Some(id) = &attempt.upstream_request_id {
            *rows.entry(id).or_default() += 1;
            assert!(calls.contains_key(id), "no call {id} was made: {attempt:?}");
        }
    }
    for (id, call) in calls {
        let count = rows.get(id.as_str()).copied().unwrap_or(0);
        // A client that left before the head took the answer's id with it.
        let unseen = !call.has_head() || (call.ended != "complete" && !call.terminal && count == 0);
        assert!(count == 1 || (unseen && count == 0), "{count} attempt rows of {call:?}");
    }
}

/// The same for vendors that do not name their calls: as many attempts as calls, and what a whole answer cost is what one
/// of the calls emitted.
fn nameless_calls_are_attempts(calls: &[Entry], attempts: &[(RequestRow, AttemptRow)]) {
    let answered: Vec<_> = attempts
        .iter()
        .filter(|(_, attempt)| attempt.upstream_request_id.is_none() && attempt.http_status.is_some())
        .collect();
    let certain = calls.iter().filter(|call| call.has_head() && (call.ended == "complete" || call.terminal)).count();
    let most = calls.iter().filter(|call| call.has_head()).count();
    assert!((certain..=most).contains(&answered.len()), "{} attempts of {calls:?}", answered.len());
    let mut emitted: Vec<Tokens> = calls.iter().filter_map(tokens_of).collect();
    // A replayed answer has usage that the mock does not know.
    let mut unknown = calls.len() - emitted.len();
    for (row, attempt) in answered {
        let Some(usage) = attempt.usage.as_ref().filter(|usage| !usage.estimated) else { continue };
        if row.status != RequestStatus::Ok || attempt.attempt.number != row.attempts {
            continue;
        }
        match emitted.iter().position(|tokens| *tokens == usage.tokens) {
            Some(at) => drop(emitted.remove(at)),
            None => {
                unknown = unknown.checked_sub(1).unwrap_or_else(|| panic!("nobody emitted {usage:?} of {row:?}"));
            }
        }
    }
}

fn tokens_of(entry: &Entry) -> Option<Tokens> {
    let usage = entry.usage?;
    Some(Tokens {
        input: usage.input_tokens,
        cache_read: usage.cache_read_input_tokens,
        cache_w5m: usage.ephemeral_5m_input_tokens,
        cache_w1h: usage.ephemeral_1h_input_tokens,
        output: usage.output_tokens,
        ..Tokens::default()
    })
}

/// I2, I3: a whole answer costs what the vendor said; any other at most that, unless it says that it is an estimate.
fn usage_is_the_vendors(row: &RequestRow, attempt: &AttemptRow, calls: &HashMap<String, Entry>) {
    let Some(call) = attempt.upstream_request_id.as_ref().and_then(|id| calls.get(id)) else { return };
    let Some(emitted) = tokens_of(call) else { return };
    let last = attempt.attempt.number == row.attempts;
    let Some(usage) = &attempt.usage else {
        assert!(!(last && row.status == RequestStatus::Ok), "no usage: {row:?}");
        return;
    };
    if last && row.status == RequestStatus::Ok {
        assert_eq!((usage.tokens, row.usage.tokens), (emitted, emitted), "{call:?}");
        assert!(!usage.estimated);
    } else if !usage.estimated {
        assert!(usage.tokens.context() <= emitted.context() && usage.tokens.output <= emitted.output, "{usage:?}");
    }
}

/// I2: every whole answer that a client got has exactly one row, with the counts that the client saw.
fn answers_are_rows(seen: &[Seen], rows: &[RequestRow]) {
    for answer in seen {
        let found: Vec<_> = rows.iter().filter(|row| row.request.to_string() == answer.request).collect();
        assert_eq!(found.len(), 1, "rows of {answer:?}");
        assert_eq!(found[0].status, RequestStatus::Ok, "{:?}", found[0]);
        // Several priced parts add up to more than the top-level object says.
        let tokens = &found[0].usage.tokens;
        let several = tokens.context() > answer.context || tokens.output > answer.output;
        if !several && found[0].flags.is_empty() {
            assert_eq!((tokens.context(), tokens.output), (answer.context, answer.output), "{:?}", found[0]);
        }
    }
}

/// The rollups and the ledger's windows add up to the rows.
async fn sums_are_right(test: &TestApp, rows: &[RequestRow]) {
    let mut charged: HashMap<_, i64> = HashMap::new();
    for row in rows {
        *charged.entry(row.key).or_default() += row.cost.charge.0;
    }
    for (key, charge) in charged {
        let sum = usage::key_usage(&test.app().storage.db, key, None).await.unwrap();
        assert_eq!(sum.charge.0, charge, "rollups of key {}", key.0);
    }
}
