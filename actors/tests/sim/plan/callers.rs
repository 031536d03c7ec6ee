//! Clients: what each asks for, when it comes, how long its answer takes, and whether it has the patience to stay.

use actors::domain::account::AccountKind;
use actors::domain::money::Nanos;
use actors::domain::route::SessionHash;
use actors::domain::time::{SECOND, Timestamp};

use crate::dice::Dice;

/// One client request.
#[derive(Debug, Clone)]
pub struct Caller {
    pub arrives: Timestamp,
    pub key: usize,
    pub model: &'static str,
    pub session: Option<SessionHash>,
    pub forced: Option<AccountKind>,
    pub may_wait: bool,
    pub tokens_estimate: u64,
    pub tokens: u64,
    /// Upstream cost, estimated and real; the charge is the same, for a price rate of one.
    pub cost_estimate: Nanos,
    pub cost: Nanos,
    /// Length of its answer.
    pub takes_ms: i64,
    /// Leaves this long after it came, whatever it has got by then.
    pub leaves_after: Option<i64>,
}

pub fn callers(dice: &mut Dice, (start, lasts_ms): (Timestamp, i64), keys: usize) -> Vec<Caller> {
    let count = dice.pick(&[20, 45, 70, 110]);
    let bursty = dice.chance(40);
    let mut at = start;
    let mut callers: Vec<Caller> = Vec::new();
    for _ in 0..count {
        let gap = if bursty && dice.chance(85) { dice.within(0, 40) } else { dice.within(0, 2 * lasts_ms / count) };
        at = at.plus(gap);
        callers.push(caller(dice, at, keys));
    }
    callers
}

fn caller(dice: &mut Dice, arrives: Timestamp, keys: usize) -> Caller {
    let tokens_estimate = u64::try_from(dice.within(100, 3_000)).unwrap();
    let cost_estimate = dice.within(200, 4_000);
    // The estimate is mostly above the truth; now and then the truth is above it.
    let share = dice.pick(&[10, 50, 90, 100, 150]);
    Caller {
        arrives,
        key: usize::try_from(dice.within(0, i64::try_from(keys).unwrap() - 1)).unwrap(),
        model: dice.pick(&["claude-sonnet-4-5", "claude-sonnet-4-5", "claude-opus-4-5"]),
        session: dice.maybe(40, |dice| SessionHash([u8::try_from(dice.within(1, 6)).unwrap(); 16])),
        forced: dice.maybe(3, |_| AccountKind::Ccr),
        may_wait: dice.chance(85),
        tokens_estimate,
        tokens: tokens_estimate * u64::try_from(share).unwrap() / 100,
        cost_estimate: Nanos(cost_estimate),
        cost: Nanos(cost_estimate * share / 100),
        takes_ms: if dice.chance(6) { dice.within(20 * SECOND, 200 * SECOND) } else { dice.within(30, 6 * SECOND) },
        leaves_after: dice.maybe(14, |dice| dice.within(0, 9 * SECOND)),
    }
}
