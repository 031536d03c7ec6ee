//! The journal of two workers, the usage actor, and a sink that is sometimes down, unsure, or offered a poisoned event.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actors::domain::account::AccountKind;
use actors::domain::id::AttemptId;
use actors::domain::key::CostWindow;
use actors::domain::money::Nanos;
use actors::domain::time::{SECOND, Timestamp};
use actors::domain::usage::{AttemptRow, Cost, JournalPosition, RequestRow, RequestStatus, Tokens, Usage, UsageEvent};
use actors::domain::verdict::Verdict;
use actors::outbox::Recorded;
use actors::ports::{BatchReceipt, PortError, UsageBatch};
use actors::testing::machines::{Timer, UsageEffects, Work};
use actors::usage::messages::{FlushFinished, ProbeFinished, RereadFinished, SetAsideFinished};

use super::agenda::Event;
use super::mail::{Message, Who};
use super::sabotage::Sabotage;
use super::world::World;

/// Bytes of a journal record in this world.
const RECORD: u64 = 10;

/// What one event is stored under.
type Key = (u128, u32);

/// An opened record and what became of it.
struct Opened {
    at: u64,
    settled: Option<Recorded>,
}

#[derive(Default)]
struct File {
    length: u64,
    opened: Vec<Opened>,
}

#[derive(Default)]
pub struct Journal {
    files: BTreeMap<Arc<str>, File>,
    /// The open record of each client.
    open: BTreeMap<usize, (Arc<str>, usize)>,
    /// Everything that was ever settled.
    written: BTreeMap<Key, Nanos>,
}

/// SQL.
#[derive(Default)]
pub struct Sink {
    stored: BTreeMap<Key, Nanos>,
    set_aside: BTreeSet<Key>,
    /// Work under way, by generation.
    work: BTreeMap<u64, Work>,
}

fn key_of(event: &UsageEvent) -> Key {
    match event {
        UsageEvent::Attempt(row) => (row.attempt.request.0, row.attempt.number * 100 + u32::from(row.switched)),
        UsageEvent::Request(row, _) => (row.request.0, 0),
    }
}

fn charge_of(event: &UsageEvent) -> Nanos {
    match event {
        UsageEvent::Attempt(_) => Nanos::ZERO,
        UsageEvent::Request(row, _) => row.cost.charge,
    }
}

impl Journal {
    fn open(&mut self, n: usize) {
        let name: Arc<str> = Arc::from(format!("w{}", n % 2));
        let file = self.files.entry(Arc::clone(&name)).or_default();
        file.opened.push(Opened { at: file.length, settled: None });
        file.length += RECORD;
        self.open.insert(n, (name, file.opened.len() - 1));
    }

    /// Writes the settled record of what a client has open.
    fn settle(&mut self, n: usize, event: UsageEvent) -> Option<Recorded> {
        let (name, index) = self.open.remove(&n)?;
        let file = self.files.get_mut(&name)?;
        file.length += RECORD;
        self.written.insert(key_of(&event), charge_of(&event));
        let oldest_open = file.opened.iter().enumerate().filter(|(i, o)| *i != index && o.settled.is_none());
        let safe = oldest_open.map(|(_, o)| o.at).min().unwrap_or(file.length);
        let position = |offset| JournalPosition { file: Arc::clone(&name), offset };
        let recorded = Recorded { event, end: position(file.length), safe: position(safe) };
        file.opened[index].settled = Some(recorded.clone());
        Some(recorded)
    }

    fn reread(&self, after: &JournalPosition, limit: usize) -> Vec<Recorded> {
        let Some(file) = self.files.get(&after.file) else { return Vec::new() };
        let mut records: Vec<&Recorded> = file.opened.iter().filter_map(|o| o.settled.as_ref()).collect();
        records.sort_by_key(|r| r.end.offset);
        records.into_iter().filter(|r| r.end.offset > after.offset).take(limit).cloned().collect()
    }
}

impl World {
    pub fn open_in_journal(&mut self, n: usize) {
        self.journal.open(n);
    }

    /// A failed attempt is settled.
    pub fn close_in_journal(&mut self, n: usize, verdict: Verdict) {
        let row = self.attempt_row(n, verdict);
        if let Some(recorded) = self.journal.settle(n, UsageEvent::Attempt(Box::new(row))) {
            self.record(recorded);
        }
    }

    /// A request that has called an upstream is settled.
    pub fn journal_request(&mut self, n: usize, used: Option<(Nanos, u64)>, windows: Vec<(CostWindow, Timestamp)>) {
        let row = self.request_row(n, used.unwrap_or_default(), windows);
        if let Some(recorded) = self.journal.settle(n, UsageEvent::Request(Box::new(row), None)) {
            self.record(recorded);
        }
    }

    /// The record reaches the usage actor, sometimes twice.
    fn record(&mut self, recorded: Recorded) {
        if self.sabotage.forgets_usage(&mut self.dice) {
            return;
        }
        let recorded = self.sabotage.record_as(recorded);
        if self.dice.chance(self.plan.faults.duplicate_percent) {
            let _ = self.tell(Who::Usage, Message::Record(vec![recorded.clone()]));
        }
        let _ = self.tell(Who::Usage, Message::Record(vec![recorded]));
    }

    pub fn usage_hears(&mut self, message: Message) {
        let (now, usage) = (self.now, &mut self.usage);
        let effects = match message {
            Message::Record(records) => usage.on_record(now, records),
            Message::Stored(m) => usage.on_stored(now, m.generation, m.result),
            Message::SinkProbed(m) => usage.on_probed(now, m.generation, m.works),
            Message::SetAside(m) => usage.on_set_aside(now, m.generation, m.result),
            Message::Reread(m) => usage.on_reread(now, m.generation, m.result),
            other => panic!("the usage actor does not hear {}", other.name()),
        };
        self.apply_usage(effects);
    }

    pub fn usage_timer(&mut self, life: u64, timer: Timer) {
        if self.life_of(Who::Usage) == life && self.boxes[&Who::Usage].up {
            let effects = self.usage.on_timer(self.now, timer);
            self.apply_usage(effects);
        }
    }

    /// As `UsageActor::apply`.
    pub fn apply_usage(&mut self, effects: UsageEffects) {
        let life = self.life_of(Who::Usage);
        for (timer, ms) in effects.timers {
            self.after(ms.unwrap_or(self.plan.settings.usage_flush_ms), Event::UsageTimer(life, timer));
        }
        let Some((generation, work)) = effects.work else { return };
        let works = Ok(BatchReceipt::default());
        let message = match &work {
            Work::Store(_) => Message::Stored(FlushFinished { generation, result: works }),
            Work::Probe(_) => Message::SinkProbed(ProbeFinished { generation, works: true }),
            Work::SetAside(..) => Message::SetAside(SetAsideFinished { generation, result: Ok(()) }),
            Work::Reread(..) => Message::Reread(RereadFinished { generation, result: Ok(Vec::new()) }),
        };
        self.sink.work.insert(generation, work);
        self.answer_later(Who::Usage, message);
    }

    /// The sink does its work at the moment of its answer.
    pub fn ask_sink(&mut self, message: Message) -> Message {
        match message {
            Message::Stored(m) => match self.sink.work.remove(&m.generation) {
                Some(Work::Store(batch)) => Message::Stored(FlushFinished { result: self.store_batch(&batch), ..m }),
                _ => Message::Stored(m),
            },
            Message::SinkProbed(m) => match self.sink.work.remove(&m.generation) {
                Some(Work::Probe(batch)) => {
                    Message::SinkProbed(ProbeFinished { works: self.store_batch(&batch).is_ok(), ..m })
                }
                _ => Message::SinkProbed(m),
            },
            Message::SetAside(m) => match self.sink.work.remove(&m.generation) {
                Some(Work::SetAside(event, _)) => {
                    Message::SetAside(SetAsideFinished { result: self.set_aside(&event), ..m })
                }
                _ => Message::SetAside(m),
            },
            Message::Reread(m) => match self.sink.work.remove(&m.generation) {
                Some(Work::Reread(after, limit)) => {
                    self.trace.saw("journal_reread");
                    let result = self.sink_up().map(|()| self.journal.reread(&after, limit));
                    Message::Reread(RereadFinished { result, ..m })
                }
                _ => Message::Reread(m),
            },
            other => other,
        }
    }

    fn sink_up(&self) -> Result<(), PortError> {
        let down = self.plan.faults.sink.iter().any(|outage| outage.covers(self.now));
        if down { Err(PortError("SQL is down".to_owned())) } else { Ok(()) }
    }

    fn is_poison(&self, event: &UsageEvent) -> bool {
        let (request, number) = key_of(event);
        let draw = (request.wrapping_mul(7_919) + u128::from(number)) % 100;
        draw < u128::try_from(self.plan.faults.poison_percent).unwrap_or(0)
    }

    fn store_batch(&mut self, batch: &UsageBatch) -> Result<BatchReceipt, PortError> {
        self.sink_up()?;
        if self.sabotage == Sabotage::LostBatch && self.dice.chance(5) {
            return Ok(BatchReceipt::default());
        }
        if batch.events.iter().any(|event| self.is_poison(event)) {
            return Err(PortError("a row is too long".to_owned()));
        }
        let mut receipt = BatchReceipt::default();
        for event in &batch.events {
            let new = self.sink.stored.insert(key_of(event), charge_of(event)).is_none();
            receipt.inserted += u64::from(new);
            receipt.duplicates += u64::from(!new);
        }
        batch.positions.iter().for_each(|position| self.check_position(position));
        // The commit worked, but its answer was lost.
        if self.plan.faults.duplicate_percent > 0 && self.dice.chance(5) {
            self.trace.saw("commit_unsure");
            return Err(PortError("connection lost".to_owned()));
        }
        Ok(receipt)
    }

    fn set_aside(&mut self, event: &UsageEvent) -> Result<(), PortError> {
        self.sink_up()?;
        let poison = self.is_poison(event);
        self.trace.saw("set_aside");
        self.oracle.demand(poison, || format!("a sound usage event {:?} was set aside", key_of(event)));
        self.sink.set_aside.insert(key_of(event));
        Ok(())
    }

    /// Whatever was opened before a position that is written down is stored.
    fn check_position(&mut self, position: &JournalPosition) {
        let Some(file) = self.journal.files.get(&position.file) else { return };
        let kept = |r: &Recorded| {
            let key = key_of(&r.event);
            self.sink.stored.contains_key(&key) || self.sink.set_aside.contains(&key)
        };
        let lost = file.opened.iter().filter(|o| o.at < position.offset);
        let lost = lost.filter(|o| !o.settled.as_ref().is_some_and(kept)).count();
        self.oracle.demand(lost == 0, || format!("journal {} is passed over {lost} records", position.file));
    }

    /// Every event is stored once or set aside, and every charge is the ledger's.
    pub fn settle_usage(&mut self) {
        let stats = self.usage.stats(self.now);
        self.oracle.demand(stats.pending == 0, || format!("{} usage events pending at the end", stats.pending));
        for (key, charge) in &self.journal.written {
            let stored = self.sink.stored.get(key) == Some(charge);
            let aside = self.sink.set_aside.contains(key);
            self.oracle.demand(stored != aside, || format!("usage {key:?}: stored {stored}, set aside {aside}"));
        }
        let extra = self.sink.stored.keys().filter(|key| !self.journal.written.contains_key(key)).count();
        self.oracle.demand(extra == 0, || format!("{extra} usage events came from nowhere"));
        let charged: i64 = self.journal.written.values().map(|charge| charge.0).sum();
        self.oracle.usage_is(charged);
    }

    fn attempt_row(&self, n: usize, verdict: Verdict) -> AttemptRow {
        let client = &self.clients[n];
        let attempt: AttemptId = client.attempt();
        AttemptRow {
            attempt,
            account: client.lease.as_ref().map_or(actors::domain::id::AccountId(0), |l| l.account.id),
            model_upstream: client.caller.model.to_owned(),
            upstream_request_id: None,
            started_at: self.now,
            http_status: None,
            verdict: verdict.as_str().to_owned(),
            // In this world: the second call of the attempt, after its token was replaced.
            switched: client.token_replaced,
            usage: None,
            upstream_cost: Nanos::ZERO,
            ttfb_ms: None,
            ttft_ms: None,
            total_ms: SECOND,
            bytes: 0,
        }
    }

    fn request_row(
        &self,
        n: usize,
        (charge, tokens): (Nanos, u64),
        windows: Vec<(CostWindow, Timestamp)>,
    ) -> RequestRow {
        let client = &self.clients[n];
        let key = &self.plan.keys[client.caller.key];
        let usage = Usage { tokens: Tokens { input: tokens, ..Tokens::default() }, ..Usage::default() };
        RequestRow {
            request: client.request(),
            started_at: client.caller.arrives,
            ended_at: self.now,
            user: key.owner.id,
            key: key.id,
            dialect: "anthropic".to_owned(),
            route: "messages".to_owned(),
            client: None,
            client_request_id: None,
            session: None,
            model: client.caller.model.to_owned(),
            model_upstream: None,
            account: None,
            kind: Some(AccountKind::ClaudeConsole),
            stream: true,
            status: RequestStatus::Ok,
            http_status: 200,
            error: None,
            attempts: 1,
            usage,
            cost: Cost { list: charge, charge, upstream: charge },
            price: None,
            eff_ppm: 1_000_000,
            flags: Vec::new(),
            windows,
            funds: None,
            queue_ms: 0,
            ttfb_ms: None,
            ttft_ms: None,
            total_ms: 0,
            bytes_in: 0,
            bytes_out: 0,
            ip: None,
        }
    }
}
