//! The vendor's side of one account: windows that fill, a cache of prompts, illness, and the people who use it too.

use std::collections::BTreeMap;

use actors::domain::time::{DAY, HOUR, MINUTE, Timestamp};
use actors::domain::verdict::{Judgement, Verdict};
use actors::domain::window::{Scope, WindowKind, WindowSnapshot, WindowStatus};

use crate::demand::Turn;
use crate::dice::Dice;
use crate::scenario::{Account, Plan};

/// How long a prompt stays cached after its last use.
pub const CACHE_MS: i64 = 5 * MINUTE;
const FIVE_HOURS: i64 = 5 * HOUR;
const SEVEN_DAYS: i64 = 7 * DAY;
/// Illness comes this often, and lasts this long.
const ILL_EVERY: i64 = 3 * HOUR;
const ILL_FOR: i64 = 30 * MINUTE;

/// Hundredths of an input token: reading the cache costs a tenth, writing it a quarter more, output five times as much.
pub fn cost(cached: i64, fresh: i64, output: i64) -> i64 {
    cached * 10 + fresh * 125 + output * 500
}

#[derive(Debug, Default, Clone, Copy)]
struct Window {
    used: i64,
    ends: i64,
}

impl Window {
    /// Windows begin with their first use; `phase` absent.
    fn add(&mut self, now: i64, amount: i64, length: i64) {
        if self.ends <= now {
            (self.used, self.ends) = (0, now + length);
        }
        self.used += amount;
    }

    fn used(&self, now: i64) -> i64 {
        if self.ends > now { self.used } else { 0 }
    }
}

/// One account as the vendor keeps it.
pub struct Upstream {
    pub account: Account,
    five: Window,
    seven: Window,
    minute: Window,
    /// Length of the cached prompt of a session, and when it was last used.
    cached: BTreeMap<usize, (i64, i64)>,
    ill_from: i64,
    /// Used in all, by us and by others.
    total: i64,
}

impl Upstream {
    pub fn new(account: Account, start: Timestamp, dice: &mut Dice) -> Self {
        // Weeks of different accounts begin on different days; part of the week that runs is over and used.
        let seven = Window { used: 0, ends: start.0 + dice.within(HOUR, SEVEN_DAYS) };
        let ill_from = dice.within(0, ILL_EVERY);
        let five = Window::default();
        Self { account, five, seven, minute: Window::default(), cached: BTreeMap::new(), ill_from, total: 0 }
    }

    fn is_subscription(&self) -> bool {
        matches!(self.account.plan, Plan::Subscription(_))
    }

    /// Used part of the five hours and of the seven days.
    pub fn use_of(&self, now: Timestamp) -> (f64, f64) {
        let part = |window: &Window, of: i64| window.used(now.0) as f64 / of as f64;
        (part(&self.five, self.account.window()), part(&self.seven, self.account.weekly()))
    }

    /// How much was used over the run, of the account's weekly capacity.
    pub fn share_used(&self) -> f64 {
        self.total as f64 / self.account.weekly() as f64
    }

    pub fn is_dry(&self, now: Timestamp) -> bool {
        let (five, seven) = self.use_of(now);
        self.is_subscription() && (five >= 1.0 || seven >= 1.0)
    }

    /// Part of a prompt that is cached here.
    pub fn cached(&self, now: Timestamp, session: usize, turn: &Turn) -> i64 {
        let known = self.cached.get(&session).filter(|(_, at)| now.0 - at <= CACHE_MS);
        known.map_or(0, |(length, _)| (*length).min(turn.prefix))
    }

    /// Whether the call is taken, or what is answered in its place.
    pub fn judge(&mut self, now: Timestamp, fresh: i64, dice: &mut Dice) -> Judgement {
        let ill = (now.0 - self.ill_from).rem_euclid(ILL_EVERY) < ILL_FOR && dice.chance(self.account.ill_percent);
        if ill {
            return Judgement::of(Verdict::Overloaded);
        }
        if self.is_dry(now) {
            let (_, seven) = self.use_of(now);
            let ends = if seven >= 1.0 { self.seven.ends } else { self.five.ends };
            return Judgement { until: Some(Timestamp(ends)), ..Judgement::of(Verdict::RateLimited) };
        }
        if let Plan::Minute(limit) = self.account.plan {
            if self.minute.used(now.0) + fresh > limit && self.minute.used(now.0) > 0 {
                let wait = self.minute.ends - now.0;
                return Judgement { retry_after_ms: Some(wait), ..Judgement::of(Verdict::RateLimited) };
            }
            self.minute.add(now.0, fresh, MINUTE);
        }
        Judgement::of(Verdict::Ok)
    }

    /// The call is over: what it used, and what its prompt left in the cache.
    pub fn take(&mut self, now: Timestamp, session: usize, turn: &Turn, cached: i64) {
        let used = cost(cached, turn.prefix - cached + turn.fresh, turn.output);
        self.charge(now, used);
        self.cached.insert(session, (turn.prefix + turn.fresh + turn.output, now.0));
    }

    pub fn forget(&mut self, session: usize) {
        self.cached.remove(&session);
    }

    fn charge(&mut self, now: Timestamp, used: i64) {
        self.total += used;
        self.five.add(now.0, used, FIVE_HOURS);
        self.seven.add(now.0, used, SEVEN_DAYS);
    }

    /// People use the account beside us, all day long.
    pub fn people(&mut self, now: Timestamp, span_ms: i64) {
        if self.account.shared_percent > 0 {
            let share = self.account.weekly() / 100 * self.account.shared_percent;
            self.charge(now, i64::try_from(i128::from(share) * i128::from(span_ms) / i128::from(SEVEN_DAYS)).unwrap());
        }
    }

    /// What the headers of an answer say.
    pub fn windows(&self, now: Timestamp) -> Vec<WindowSnapshot> {
        let snapshot = |kind, window: &Window, of: i64, length_ms| WindowSnapshot {
            kind,
            scope: Scope::All,
            used_ppm: i64::try_from(i128::from(window.used(now.0)) * 1_000_000 / i128::from(of)).unwrap(),
            status: Some(if window.used(now.0) >= of { WindowStatus::Rejected } else { WindowStatus::Allowed }),
            surpassed: false,
            resets_at: (window.ends > now.0).then_some(Timestamp(window.ends)),
            length_ms,
            observed_at: now,
        };
        match self.account.plan {
            Plan::Subscription(_) => vec![
                snapshot(WindowKind::FiveHour, &self.five, self.account.window(), FIVE_HOURS),
                snapshot(WindowKind::SevenDay, &self.seven, self.account.weekly(), SEVEN_DAYS),
            ],
            Plan::Minute(limit) => vec![snapshot(WindowKind::Tokens, &self.minute, limit, MINUTE)],
        }
    }
}
