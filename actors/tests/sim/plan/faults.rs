//! What goes wrong: upstream weather, ports that are down or slow, actors that panic, tokens that the vendor revokes.

use actors::domain::time::{HOUR, MINUTE, SECOND, Timestamp};

use crate::dice::Dice;

/// When a run begins, and how long callers keep coming.
type Span = (Timestamp, i64);

/// How an upstream treats calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    Fine,
    /// 429 until a stated moment.
    Limited(Timestamp),
    /// 429 with a duration in milliseconds.
    Paused(i64),
    /// 429 without a word.
    LimitedUnknown,
    Quota,
    Overloaded,
    Unavailable,
    Server,
    Timeout,
    /// No answer until the first-byte timeout.
    Hang,
    Cut,
    Forbidden,
    Refused,
    Blocked,
    ModelUnknown,
    ClientFault,
    Proxy,
}

impl Weather {
    fn bad(dice: &mut Dice, until: Timestamp) -> Self {
        let often = [
            Self::Limited(until),
            Self::Limited(until),
            Self::Paused(7 * SECOND),
            Self::LimitedUnknown,
            Self::Overloaded,
            Self::Unavailable,
            Self::Server,
            Self::Timeout,
            Self::Cut,
        ];
        let seldom = [
            Self::Quota,
            Self::Hang,
            Self::Forbidden,
            Self::Refused,
            Self::Blocked,
            Self::ModelUnknown,
            Self::ClientFault,
            Self::Proxy,
        ];
        if dice.chance(75) { dice.pick(&often) } else { dice.pick(&seldom) }
    }
}

/// A time of one weather; `account` absent = everywhere.
#[derive(Debug, Clone, Copy)]
pub struct Spell {
    pub account: Option<i64>,
    pub from: Timestamp,
    pub until: Timestamp,
    pub weather: Weather,
    /// Part of the calls that it meets.
    pub percent: i64,
}

/// A time during which something does not work.
#[derive(Debug, Clone, Copy)]
pub struct Outage {
    pub from: Timestamp,
    pub until: Timestamp,
}

impl Outage {
    pub fn covers(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Scheduler,
    Billing,
    Usage,
    Account(i64),
}

/// Everything that goes wrong, by time.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    pub spells: Vec<Spell>,
    pub store: Vec<Outage>,
    pub vendor: Vec<Outage>,
    pub sink: Vec<Outage>,
    pub panics: Vec<(Timestamp, Victim)>,
    /// The vendor stops to accept an account's access token.
    pub revocations: Vec<(Timestamp, i64)>,
    /// A person authorises an account again, or sets it aside and back.
    pub reauthorised: Vec<(Timestamp, i64)>,
    pub paused: Vec<(Timestamp, i64, bool)>,
    /// The whole process stands still for so many milliseconds, as on a suspended machine.
    pub stalls: Vec<(Timestamp, i64)>,
    /// How far the vendor's clock is ahead of ours, in milliseconds.
    pub vendor_ahead_ms: i64,
    /// Part of the usage events that the sink can never store.
    pub poison_percent: i64,
    /// Longest way of a message to its actor, in milliseconds.
    pub delay_ms: i64,
    /// Longest answer of a port, in milliseconds.
    pub port_ms: i64,
    /// Part of the token exchanges during which the account's actor dies.
    pub exchange_death_percent: i64,
    /// Part of the ends that arrive twice.
    pub duplicate_percent: i64,
}

impl Faults {
    pub fn of(dice: &mut Dice, span: Span, accounts: usize) -> Self {
        let accounts = i64::try_from(accounts).unwrap();
        let mut faults = Self {
            delay_ms: dice.pick(&[0, 3, 40]),
            port_ms: dice.pick(&[5, 300, 4_000]),
            exchange_death_percent: dice.pick(&[0, 0, 20]),
            duplicate_percent: dice.pick(&[0, 10]),
            poison_percent: dice.pick(&[0, 0, 0, 4]),
            ..Self::default()
        };
        if dice.chance(20) {
            return faults;
        }
        faults.storms(dice, span, accounts);
        for outages in [&mut faults.store, &mut faults.vendor, &mut faults.sink] {
            outages.extend(dice.maybe(30, |dice| outage(dice, span)));
        }
        faults.deaths(dice, span, accounts);
        faults.people(dice, span, accounts);
        for _ in 0..dice.pick(&[0, 0, 0, 1, 2]) {
            let ms = dice.pick(&[700, 12 * SECOND, 5 * MINUTE]);
            faults.stalls.push((moment(dice, span), ms));
        }
        faults.vendor_ahead_ms = dice.pick(&[0, 0, 0, 10 * MINUTE, -10 * MINUTE, HOUR, -HOUR]);
        faults
    }

    fn storms(&mut self, dice: &mut Dice, span: Span, accounts: i64) {
        for account in 1..=accounts {
            for _ in 0..dice.pick(&[0, 1, 2, 4]) {
                self.spells.push(spell(dice, span, Some(account)));
            }
        }
        self.spells.extend(dice.maybe(30, |dice| spell(dice, span, None)));
    }

    fn deaths(&mut self, dice: &mut Dice, span: Span, accounts: i64) {
        for _ in 0..dice.pick(&[0, 0, 1, 3]) {
            let account = Victim::Account(dice.within(1, accounts));
            let victim = dice.pick(&[account, account, Victim::Scheduler, Victim::Billing, Victim::Usage]);
            self.panics.push((moment(dice, span), victim));
        }
    }

    fn people(&mut self, dice: &mut Dice, span: Span, accounts: i64) {
        for account in 1..=accounts {
            self.revocations.extend(dice.maybe(15, |dice| (moment(dice, span), account)));
            self.reauthorised.extend(dice.maybe(6, |dice| (moment(dice, span), account)));
            if let Some(at) = dice.maybe(8, |dice| moment(dice, span)) {
                self.paused.extend([(at, account, false), (at.plus(dice.within(1, 30) * SECOND), account, true)]);
            }
        }
    }

    /// How calls of an account fare now, with the part of them that it meets.
    pub fn weather(&self, now: Timestamp, account: i64) -> impl Iterator<Item = &Spell> {
        let here = move |s: &&Spell| s.account.is_none_or(|id| id == account) && s.from <= now && now < s.until;
        self.spells.iter().filter(here)
    }
}

fn moment(dice: &mut Dice, span: Span) -> Timestamp {
    span.0.plus(dice.within(0, span.1))
}

fn outage(dice: &mut Dice, span: Span) -> Outage {
    let from = moment(dice, span);
    Outage { from, until: from.plus(dice.within(SECOND, 40 * SECOND)) }
}

fn spell(dice: &mut Dice, span: Span, account: Option<i64>) -> Spell {
    let from = moment(dice, span);
    let longest = dice.pick(&[10 * SECOND, MINUTE, span.1 / 2]);
    let until = from.plus(dice.within(4 * SECOND, longest));
    Spell { account, from, until, weather: Weather::bad(dice, until), percent: dice.pick(&[30, 100, 100]) }
}
