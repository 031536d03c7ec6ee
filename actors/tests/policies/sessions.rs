//! When sessions begin: a day curve, quiet nights and weekends, and bursts as a build system makes them.

use actors::domain::time::{DAY, HOUR, SECOND};

use crate::demand::{Turn, turns};
use crate::dice::Dice;
use crate::scenario::Scenario;
use crate::vendor::{CACHE_MS, cost};

/// Sessions that are priced to learn what one costs on average.
const SAMPLE: u64 = 3_000;
const BURSTS_A_DAY: i64 = 2;
const BURST: i64 = 15;

#[derive(Debug, Clone)]
pub struct Session {
    /// After the start of the run, in milliseconds.
    pub starts: i64,
    pub turns: Vec<Turn>,
}

/// Activity in each hour of a day, relative to the busiest.
const DAY_CURVE: [i64; 24] =
    [12, 8, 6, 5, 5, 7, 12, 25, 55, 85, 100, 95, 70, 80, 98, 100, 92, 75, 55, 42, 35, 30, 24, 18];

fn activity(ms: i64) -> i64 {
    let weekend = ms / DAY % 7 >= 5;
    let hour = usize::try_from(ms % DAY / HOUR).unwrap();
    if weekend { DAY_CURVE[hour] * 35 / 100 } else { DAY_CURVE[hour] }
}

/// What a session costs that never leaves its account.
fn price(turns: &[Turn]) -> i64 {
    let priced = turns.iter().map(|turn| {
        let cached = if turn.think_ms <= CACHE_MS { turn.prefix } else { 0 };
        cost(cached, turn.prefix - cached + turn.fresh, turn.output)
    });
    priced.sum()
}

fn average_price() -> i64 {
    let total: i64 = (0..SAMPLE).map(|n| price(&turns(&mut Dice::new(1_000_000 + n)))).sum();
    total / i64::try_from(SAMPLE).unwrap()
}

/// A moment drawn by the day curve.
fn moment(dice: &mut Dice, lasts: i64) -> i64 {
    loop {
        let at = dice.within(0, lasts - 1);
        if dice.within(1, 100) <= activity(at) {
            return at;
        }
    }
}

/// All sessions of a run. The same seed gives every policy the same demand.
pub fn sessions(scenario: &Scenario, seed: u64, hours: i64) -> Vec<Session> {
    let (mut dice, lasts) = (Dice::new(seed), hours * HOUR);
    let week: i64 = scenario.accounts.iter().map(|account| account.weekly()).sum();
    let per_session = average_price();
    let capacity = i128::from(week) * i128::from(lasts) / i128::from(7 * DAY);
    let count = i64::try_from(capacity * i128::from(scenario.load_percent) / 100).unwrap() / per_session;
    let mut starts: Vec<i64> = (0..count).map(|_| moment(&mut dice, lasts)).collect();
    for _ in 0..(BURSTS_A_DAY * lasts / DAY).min(count / BURST / 4) {
        let at = moment(&mut dice, lasts);
        starts.truncate(starts.len() - usize::try_from(BURST).unwrap());
        let burst: Vec<i64> = (0..BURST).map(|_| at + dice.within(0, 20 * SECOND)).collect();
        starts.splice(0..0, burst);
    }
    starts.sort_unstable();
    starts.into_iter().map(|starts| Session { starts, turns: turns(&mut dice) }).collect()
}
