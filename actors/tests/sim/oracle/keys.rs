//! Slots and rates of keys and their owners, as their callers experience them.

use std::collections::{BTreeSet, VecDeque};

use actors::billing::messages::{Admit, AdmitRefused};
use actors::domain::id::{KeyId, RequestId, UserId};
use actors::domain::key::KeyPolicy;
use actors::domain::limit::{RateDimension, RateWindow};
use actors::domain::route::RefusalReason;
use actors::domain::time::{HOUR, MINUTE, SECOND, Timestamp};
use actors::guard::PermitReturned;

use super::Oracle;
use super::money::{HoldBook, MoneyBook};

/// What is open when the billing actor dies is freed this much later, at the next round of the safety net.
pub const AFTER_DEATH_MS: i64 = 2 * MINUTE;
/// Nothing lives longer than this in the ledger.
pub const LIFE_MS: i64 = 2 * HOUR;

/// Concurrency and request rate of a key or an owner.
#[derive(Debug)]
pub struct SlotBook {
    limit: usize,
    rpm: usize,
    live: BTreeSet<RequestId>,
    /// Live as far as the ledger can know: given back ones are still on their way.
    counted: BTreeSet<RequestId>,
    admitted: VecDeque<(Timestamp, RequestId)>,
    /// When the ledger last had no free slot to give.
    full_at: Timestamp,
}

impl SlotBook {
    pub fn of(limit: u32, rpm: u32) -> Self {
        Self {
            limit: limit as usize,
            rpm: rpm as usize,
            live: BTreeSet::new(),
            counted: BTreeSet::new(),
            admitted: VecDeque::new(),
            full_at: Timestamp(0),
        }
    }

    fn exceeded(&self, now: Timestamp) -> Option<String> {
        let recent = self.admitted.iter().rev().take_while(|(at, _)| now.since(*at) < MINUTE).count();
        if self.limit > 0 && self.live.len() >= self.limit {
            return Some(format!("more than {} requests at once", self.limit));
        }
        (self.rpm > 0 && recent >= self.rpm).then(|| format!("more than {} requests in a minute", self.rpm))
    }

    fn take(&mut self, now: Timestamp, request: RequestId) {
        self.live.insert(request);
        self.counted.insert(request);
        self.admitted.push_back((now, request));
        self.note_full(now);
    }

    fn uncount(&mut self, request: RequestId) {
        self.admitted.retain(|(_, admitted)| *admitted != request);
    }

    fn heard(&mut self, now: Timestamp, request: RequestId) {
        self.note_full(now);
        self.counted.remove(&request);
    }

    fn note_full(&mut self, now: Timestamp) {
        if self.limit > 0 && self.counted.len() >= self.limit {
            self.full_at = now;
        }
    }

    pub fn has_room(&self, now: Timestamp, calm_ms: i64) -> bool {
        self.limit == 0 || (self.counted.len() < self.limit && self.full_at.plus(calm_ms) <= now)
    }
}

/// What a request counts in a rate window.
#[derive(Debug)]
struct Counted {
    at: Timestamp,
    request: RequestId,
    amount: i64,
}

/// One key.
#[derive(Debug)]
pub struct KeyBook {
    pub slots: SlotBook,
    windows: Vec<(RateWindow, VecDeque<Counted>)>,
    pub money: MoneyBook,
    /// When the ledger last said something about the key: those who wait for it are asked about one after the other.
    answered_at: Timestamp,
}

impl KeyBook {
    pub fn of(key: &KeyPolicy) -> Self {
        Self {
            slots: SlotBook::of(key.concurrency_limit, key.rpm_limit),
            windows: key.windows.iter().map(|window| (window.clone(), VecDeque::new())).collect(),
            money: MoneyBook::of(&key.cost_limits),
            answered_at: Timestamp(0),
        }
    }

    fn amount(window: &RateWindow, ask: &Admit) -> Option<i64> {
        if window.family.as_ref().is_some_and(|family| *family != ask.family) {
            return None;
        }
        Some(match window.dim {
            RateDimension::Requests => 1,
            RateDimension::Tokens => i64::try_from(ask.tokens_estimate).unwrap().max(1),
            RateDimension::Cost => ask.charge_estimate.0,
        })
    }

    fn exceeded(&self, now: Timestamp, ask: &Admit) -> Option<String> {
        let windows = self.windows.iter().find_map(|(window, counted)| {
            let amount = Self::amount(window, ask)?;
            let length = i64::from(window.seconds) * SECOND;
            let used: i64 = counted.iter().filter(|c| now.since(c.at) < length).map(|c| c.amount).sum();
            let over = used + amount > window.limit;
            over.then(|| format!("{used} + {amount} {:?} in {} s, limit {}", window.dim, window.seconds, window.limit))
        });
        self.slots.exceeded(now).or(windows)
    }

    fn take(&mut self, now: Timestamp, ask: &Admit) {
        let request = ask.attempt.request;
        self.slots.take(now, request);
        for (window, counted) in &mut self.windows {
            counted.extend(Self::amount(window, ask).map(|amount| Counted { at: now, request, amount }));
        }
    }

    /// A request counts nowhere.
    fn uncount(&mut self, request: RequestId) {
        self.slots.uncount(request);
        for (_, counted) in &mut self.windows {
            counted.retain(|entry| entry.request != request);
        }
    }

    /// Reservations become what was used.
    pub fn correct(&mut self, request: RequestId, tokens: i64, cost: i64) {
        for (window, counted) in &mut self.windows {
            for entry in counted.iter_mut().filter(|entry| entry.request == request) {
                entry.amount = match window.dim {
                    RateDimension::Requests => entry.amount,
                    RateDimension::Tokens => tokens,
                    RateDimension::Cost => cost,
                };
            }
        }
    }
}

/// One permit.
#[derive(Debug)]
pub struct PermitBook {
    key: KeyId,
    user: UserId,
    given_back: bool,
    heard: bool,
    expires: Timestamp,
}

impl Oracle {
    /// The billing actor decided.
    pub fn admission(&mut self, now: Timestamp, ask: &Admit, refused: Option<&AdmitRefused>) {
        let (id, user, request) = (ask.key.id, ask.key.owner.id, ask.attempt.request);
        let (Some(key), Some(owner)) = (self.keys.get_mut(&id), self.owners.get_mut(&user)) else { return };
        key.answered_at = now;
        let no_money = key.money.without_room(now, ask.charge_estimate.0);
        if let Some(refused) = refused {
            let for_money = matches!(refused, AdmitRefused::Limited { reason: RefusalReason::OutOfMoney(_), .. });
            let wrong = for_money && no_money.is_none();
            return self.demand(!wrong, || format!("key {id} has money for request {}", request.0));
        }
        let broken = no_money.or(key.exceeded(now, ask)).or(owner.exceeded(now).map(|text| format!("owner: {text}")));
        key.take(now, ask);
        owner.take(now, request);
        let starts = key.money.hold(now, ask.charge_estimate.0);
        let expires = now.plus(LIFE_MS);
        self.permits.insert(request, PermitBook { key: id, user, given_back: false, heard: false, expires });
        self.holds.insert(request, HoldBook::new(id, ask.charge_estimate.0, starts, expires));
        if let Some(asking) = self.asking.get_mut(&ask.attempt) {
            asking.admitted_at = Some(now);
        }
        self.demand(broken.is_none(), || format!("key {id}: {}", broken.unwrap_or_default()));
    }

    /// A permit's guard spoke.
    pub fn permit_given_back(&mut self, returned: PermitReturned) {
        let Some(permit) = self.permits.get_mut(&returned.request) else { return };
        let twice = std::mem::replace(&mut permit.given_back, true);
        self.free_slots(returned.key, returned.user, returned.request);
        self.demand(!twice, || format!("the permit of request {} was given back twice", returned.request.0));
    }

    /// The admission of a request is undone.
    pub fn uncount(&mut self, request: RequestId) {
        let Some(permit) = self.permits.get(&request) else { return };
        if let Some(book) = self.keys.get_mut(&permit.key) {
            book.uncount(request);
        }
        if let Some(book) = self.owners.get_mut(&permit.user) {
            book.uncount(request);
        }
    }

    /// The ledger hears of it.
    pub fn permit_heard(&mut self, now: Timestamp, request: RequestId) {
        let Some(permit) = self.permits.get_mut(&request) else { return };
        permit.heard = true;
        if let Some(book) = self.keys.get_mut(&permit.key) {
            book.slots.heard(now, request);
        }
        if let Some(book) = self.owners.get_mut(&permit.user) {
            book.heard(now, request);
        }
    }

    fn free_slots(&mut self, key: KeyId, user: UserId, request: RequestId) {
        if let Some(book) = self.keys.get_mut(&key) {
            book.slots.live.remove(&request);
        }
        if let Some(book) = self.owners.get_mut(&user) {
            book.live.remove(&request);
        }
    }

    /// The safety net went round: what was open at a death of the actor long ago is free, though its guard has not spoken.
    pub fn swept(&mut self, now: Timestamp) {
        let lost = |p: &PermitBook| !p.heard && p.expires <= now;
        let lost: Vec<(RequestId, KeyId, UserId)> =
            self.permits.iter().filter(|(_, p)| lost(p)).map(|(id, p)| (*id, p.key, p.user)).collect();
        for (request, key, user) in lost {
            self.free_slots(key, user, request);
            self.permit_heard(now, request);
        }
        self.expire_holds(now);
    }

    /// What is open now is freed soon.
    pub fn shorten_lives(&mut self, now: Timestamp) {
        let soon = now.plus(AFTER_DEATH_MS);
        self.permits.values_mut().for_each(|permit| permit.expires = permit.expires.min(soon));
        self.holds.values_mut().for_each(|hold| hold.expires = hold.expires.min(soon));
    }

    pub fn settle_permits(&mut self) {
        let open = self.permits.values().filter(|permit| !permit.given_back).count();
        self.demand(open == 0, || format!("{open} permits were never given back"));
    }

    /// A slot of the key and of its owner has been free for a while.
    pub fn has_slot(&self, now: Timestamp, key: &KeyPolicy, calm_ms: i64) -> bool {
        let free = self.keys.get(&key.id);
        let free = free.is_some_and(|book| book.slots.has_room(now, calm_ms) && book.answered_at.plus(calm_ms) <= now);
        free && self.owners.get(&key.owner.id).is_some_and(|book| book.has_room(now, calm_ms))
    }
}
