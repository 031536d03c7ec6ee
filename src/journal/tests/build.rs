//! Records for tests, and a consumer that remembers what it was handed.

use std::collections::HashMap;
use std::path::Path;

use actors::domain::account::AccountKind;
use actors::domain::id::{AccountId, AttemptId, KeyId, RequestId, UserId};
use actors::domain::money::Nanos;
use actors::domain::time::Timestamp;
use actors::domain::usage::{
    AttemptOpened, AttemptProgress, AttemptRow, Cost, RequestRow, RequestStatus, Tokens, Usage, UsageEvent,
};
use actors::outbox::Recorded;

use crate::journal::{JournalDir, JournalOptions, ReplayReport, replay};

pub fn attempt(request: u128, number: u32) -> AttemptId {
    AttemptId { request: RequestId(request), number }
}

pub fn opened(attempt: AttemptId) -> AttemptOpened {
    AttemptOpened {
        attempt,
        key: KeyId(3),
        user: UserId(2),
        account: AccountId(1),
        kind: AccountKind::ClaudeConsole,
        model: "claude-x".to_owned(),
        model_upstream: "claude-y".to_owned(),
        price: None,
        eff_ppm: 1_000_000,
        cost_ppm: 1_000_000,
        request_started_at: Timestamp(1_000),
        started_at: Timestamp(1_100),
        stream: true,
        windows: Vec::new(),
        funds: None,
    }
}

pub fn usage(output: u64) -> Usage {
    let tokens = Tokens { output, ..Tokens::default() };
    Usage { tokens, ..Usage::default() }
}

pub fn progress(attempt: AttemptId, output: u64) -> AttemptProgress {
    let money = Nanos(i64::try_from(output).unwrap());
    AttemptProgress { attempt, usage: usage(output), cost: Cost { list: money, charge: money, upstream: money } }
}

pub fn failed(attempt: AttemptId) -> UsageEvent {
    UsageEvent::Attempt(Box::new(row(attempt)))
}

pub fn finished(attempt: AttemptId) -> UsageEvent {
    let request = RequestRow {
        request: attempt.request,
        started_at: Timestamp(1_000),
        ended_at: Timestamp(2_000),
        user: UserId(2),
        key: KeyId(3),
        dialect: "messages".to_owned(),
        route: "/v1/messages".to_owned(),
        client: None,
        client_request_id: None,
        session: None,
        model: "claude-x".to_owned(),
        model_upstream: None,
        account: Some(AccountId(1)),
        kind: Some(AccountKind::ClaudeConsole),
        stream: true,
        status: RequestStatus::Ok,
        http_status: 200,
        error: None,
        attempts: attempt.number,
        usage: usage(5),
        cost: Cost::default(),
        price: None,
        eff_ppm: 1_000_000,
        flags: Vec::new(),
        windows: Vec::new(),
        funds: None,
        queue_ms: 0,
        ttfb_ms: None,
        ttft_ms: None,
        total_ms: 1_000,
        bytes_in: 1,
        bytes_out: 2,
        ip: None,
    };
    UsageEvent::Request(Box::new(request), Some(Box::new(row(attempt))))
}

fn row(attempt: AttemptId) -> AttemptRow {
    AttemptRow {
        attempt,
        account: AccountId(1),
        model_upstream: "claude-y".to_owned(),
        upstream_request_id: None,
        started_at: Timestamp(1_100),
        http_status: Some(200),
        verdict: "ok".to_owned(),
        switched: false,
        usage: None,
        upstream_cost: Nanos(0),
        ttfb_ms: None,
        ttft_ms: None,
        total_ms: 5,
        bytes: 9,
    }
}

/// A directory that starts a new file at `rotate_bytes`.
pub fn open(path: &Path, rotate_bytes: u64) -> JournalDir {
    open_with(path, JournalOptions { rotate_bytes, ..JournalOptions::default() })
}

/// A directory that was just closed. A test that runs at the same time starts processes (`mount`), and until such a process
/// has reached its `exec`, it holds a copy of every lock of this one.
pub fn open_with(path: &Path, options: JournalOptions) -> JournalDir {
    loop {
        match JournalDir::open_with(path, "test", options.clone()) {
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => std::thread::yield_now(),
            other => return other.unwrap(),
        }
    }
}

/// Stored positions as SQL would hold them after these events.
pub fn positions(stored: &[Recorded]) -> HashMap<String, u64> {
    let mut positions = HashMap::new();
    for recorded in stored {
        let known = positions.entry(recorded.safe.file.to_string()).or_insert(0);
        *known = recorded.safe.offset.max(*known);
    }
    positions
}

/// Everything that a replay hands on.
pub fn replayed(dir: &JournalDir, positions: &HashMap<String, u64>) -> (Vec<Recorded>, ReplayReport) {
    let mut all = Vec::new();
    let report = replay(dir, positions, Timestamp(9_000), |recorded| all.push(recorded)).unwrap();
    (all, report)
}

/// The attempts that a replay found interrupted.
pub fn interrupted(all: &[Recorded]) -> Vec<AttemptId> {
    let of = |recorded: &Recorded| match &recorded.event {
        UsageEvent::Attempt(row) if row.verdict == "interrupted" => Some(row.attempt),
        UsageEvent::Request(row, Some(last)) if row.status == RequestStatus::Interrupted => Some(last.attempt),
        _ => None,
    };
    let mut found: Vec<_> = all.iter().filter_map(of).collect();
    found.sort_unstable();
    found
}
