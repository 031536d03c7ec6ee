//! Holds and charges in the money windows of keys.

use actors::domain::id::{KeyId, RequestId};
use actors::domain::key::CostWindow;
use actors::domain::money::Nanos;
use actors::domain::time::{DAY, HOUR, Timestamp};
use actors::guard::{HoldEnded, Resolution};

use super::Oracle;
use super::keys::LIFE_MS;
use crate::world::World;

/// One limited window as it is now.
#[derive(Debug, Clone)]
struct Window {
    kind: CostWindow,
    limit: i64,
    start: Option<Timestamp>,
    held: i64,
    used: i64,
}

impl Window {
    fn ends(&self) -> Timestamp {
        match (self.kind, self.start) {
            (_, None) => Timestamp(0),
            (CostWindow::Total, _) => Timestamp(i64::MAX),
            (CostWindow::Day, Some(start)) => start.plus(DAY),
            (_, Some(start)) => start.plus(5 * HOUR),
        }
    }

    fn taken(&self, now: Timestamp) -> i64 {
        if now < self.ends() { self.held + self.used } else { 0 }
    }

    fn hold(&mut self, now: Timestamp, amount: i64) -> Option<Timestamp> {
        if now >= self.ends() {
            let start = match self.kind {
                CostWindow::Total => Timestamp(0),
                CostWindow::Day => Timestamp(now.0.div_euclid(DAY) * DAY),
                _ => now,
            };
            (self.start, self.held, self.used) = (Some(start), 0, 0);
        }
        self.held += amount;
        self.start
    }
}

/// The windows of one key, and all that it was ever charged.
#[derive(Debug)]
pub struct MoneyBook {
    windows: Vec<Window>,
    charged: i64,
}

/// The start of each limited window at the time of a hold.
type Starts = Vec<Option<Timestamp>>;

impl MoneyBook {
    pub fn of(limits: &[(CostWindow, Nanos)]) -> Self {
        let window =
            |(kind, limit): &(CostWindow, Nanos)| Window { kind: *kind, limit: limit.0, start: None, held: 0, used: 0 };
        Self { windows: limits.iter().map(window).collect(), charged: 0 }
    }

    pub fn without_room(&self, now: Timestamp, amount: i64) -> Option<String> {
        let full = |w: &&Window| w.limit > 0 && amount > 0 && w.taken(now) + amount > w.limit;
        self.windows.iter().find(full).map(|w| format!("{} + {amount} over {} {:?}", w.taken(now), w.limit, w.kind))
    }

    pub fn hold(&mut self, now: Timestamp, amount: i64) -> Starts {
        self.windows.iter_mut().map(|window| window.hold(now, amount)).collect()
    }

    fn resolve(&mut self, starts: &Starts, held: i64, charge: i64) {
        self.charged += charge;
        for (window, start) in self.windows.iter_mut().zip(starts).filter(|(w, start)| w.start == **start) {
            debug_assert!(start.is_some());
            window.held -= held;
            window.used += charge;
        }
    }
}

/// One hold.
#[derive(Debug)]
pub struct HoldBook {
    key: KeyId,
    amount: i64,
    starts: Starts,
    resolved: Option<Resolution>,
    heard: bool,
    pub expires: Timestamp,
    expired: bool,
    /// The request got no account: it may count nowhere.
    pub fruitless: bool,
}

impl HoldBook {
    pub fn new(key: KeyId, amount: i64, starts: Starts, expires: Timestamp) -> Self {
        Self { key, amount, starts, resolved: None, heard: false, expires, expired: false, fruitless: false }
    }
}

impl Oracle {
    /// A hold's guard spoke.
    pub fn hold_resolved(&mut self, _: Timestamp, ended: &HoldEnded) {
        let Some(hold) = self.holds.get_mut(&ended.request) else { return };
        let twice = hold.resolved.replace(ended.resolution).is_some();
        self.demand(!twice, || format!("the hold of request {} was resolved twice", ended.request.0));
    }

    /// The ledger hears of it; a repeat changes nothing.
    pub fn hold_heard(&mut self, _: Timestamp, ended: &HoldEnded) {
        let Some(hold) = self.holds.get_mut(&ended.request).filter(|hold| !hold.heard) else { return };
        hold.heard = true;
        let (charge, tokens) = match ended.resolution {
            Resolution::Settle { charge, tokens } => (charge.0, i64::try_from(tokens).unwrap()),
            Resolution::Release | Resolution::Withdraw => (0, 0),
        };
        let held = if hold.expired { 0 } else { hold.amount };
        let withdrawn = ended.resolution == Resolution::Withdraw;
        if let Some(key) = self.keys.get_mut(&hold.key) {
            key.money.resolve(&hold.starts, held, charge);
            key.correct(ended.request, tokens, charge);
        }
        if withdrawn {
            self.uncount(ended.request);
        }
    }

    pub fn expire_holds(&mut self, now: Timestamp) {
        let lost = |hold: &HoldBook| !hold.heard && !hold.expired && hold.expires <= now;
        let lost: Vec<RequestId> = self.holds.iter().filter(|(_, h)| lost(h)).map(|(id, _)| *id).collect();
        for request in lost {
            let Some(hold) = self.holds.get_mut(&request) else { continue };
            (hold.expired, hold.expires) = (true, now.plus(LIFE_MS));
            if let Some(key) = self.keys.get_mut(&hold.key) {
                key.money.resolve(&hold.starts, hold.amount, 0);
                key.correct(request, 0, 0);
            }
        }
    }

    /// Σ charges of usage = Σ settled holds.
    pub fn usage_is(&mut self, charged: i64) {
        let settled: i64 = self.keys.values().map(|key| key.money.charged).sum();
        self.demand(settled == charged, || format!("usage says {charged} nanos, the ledger {settled}"));
    }
}

impl World {
    /// Nothing is held, and every window has used what was charged in it.
    pub fn settle_money(&mut self) {
        let stats = self.billing.stats();
        let open = (stats.holds, stats.permits);
        self.oracle.demand(open == (0, 0), || format!("{} holds and {} permits open at the end", open.0, open.1));
        let lost = stats.expired > 0 && !self.oracle.billing_died;
        self.oracle.demand(!lost, || format!("{} holds or permits had to be freed", stats.expired));
        self.oracle.settle_permits();
        let counted = |hold: &&HoldBook| hold.fruitless && hold.resolved != Some(Resolution::Withdraw);
        let counted = self.oracle.holds.values().filter(counted).count();
        self.oracle.demand(counted == 0, || format!("{counted} requests without an account count in rates"));
        let unresolved = self.oracle.holds.values().filter(|hold| hold.resolved.is_none()).count();
        self.oracle.demand(unresolved == 0, || format!("{unresolved} holds were never resolved"));
        let keys: Vec<KeyId> = self.oracle.keys.keys().copied().collect();
        keys.into_iter().for_each(|key| self.settle_key(key));
    }

    fn settle_key(&mut self, id: KeyId) {
        let limits = self.billing.limits(id, self.now);
        let money = &self.oracle.keys[&id].money;
        let use_of = |kind: CostWindow| {
            let found = limits.as_ref().and_then(|limits| limits.windows.iter().find(|w| w.window == kind));
            found.map_or((0, 0), |w| (w.used.0, w.held.0))
        };
        let mut wrong = Vec::new();
        if use_of(CostWindow::Total) != (money.charged, 0) {
            wrong.push(format!(
                "key {id} used {:?} of its total, was charged {}",
                use_of(CostWindow::Total),
                money.charged
            ));
        }
        for window in &money.windows {
            let expected = (window.taken(self.now), 0);
            if use_of(window.kind) != expected {
                wrong.push(format!("key {id} used {:?} of {:?}, not {expected:?}", use_of(window.kind), window.kind));
            }
        }
        self.oracle.demand(wrong.is_empty(), || wrong.join("; "));
    }
}
