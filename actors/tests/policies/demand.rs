//! What one session asks for, turn by turn: contexts that grow, heavy tails, tool loops and people who think.

use crate::dice::Dice;

/// System prompt and tools of a coding client, in tokens.
const FIRST_CONTEXT: i64 = 14_000;
/// A client compacts its history beyond this.
const COMPACT_ABOVE: i64 = 150_000;
const COMPACTED: i64 = 20_000;
const LONGEST: f64 = 300.0;

/// One request of a session.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Tokens that were sent before and may be cached.
    pub prefix: i64,
    /// Tokens that are new.
    pub fresh: i64,
    pub output: i64,
    /// Between the answer before and this request, in milliseconds.
    pub think_ms: i64,
}

/// A number between 0 and 1, never 0.
fn unit(dice: &mut Dice) -> f64 {
    (dice.within(1, 1_000_000_000) as f64) / 1_000_000_001.0
}

/// A log-normal number with this median.
fn about(dice: &mut Dice, median: f64, sigma: f64) -> f64 {
    let radius = (-2.0 * unit(dice).ln()).sqrt();
    let normal = radius * (std::f64::consts::TAU * unit(dice)).cos();
    median * (sigma * normal).exp()
}

/// The turns of one session.
pub fn turns(dice: &mut Dice) -> Vec<Turn> {
    let count = about(dice, 12.0, 1.1).clamp(1.0, LONGEST) as i64;
    let mut prefix = 0;
    let mut turns = Vec::new();
    for n in 0..count {
        let fresh = if n == 0 { FIRST_CONTEXT } else { about(dice, 1_200.0, 0.9).min(60_000.0) as i64 + 1 };
        let output = about(dice, 350.0, 0.8).min(16_000.0) as i64 + 1;
        let think_ms = if dice.chance(80) { dice.within(1_000, 12_000) } else { about(dice, 60_000.0, 1.2) as i64 };
        turns.push(Turn { prefix, fresh, output, think_ms: think_ms.min(3_600_000) });
        prefix += fresh + output;
        if prefix > COMPACT_ABOVE {
            prefix = 0;
            turns.push(Turn { prefix, fresh: COMPACTED, output: 1_500, think_ms: 500 });
            prefix = COMPACTED;
        }
    }
    turns
}

/// How long the answer takes, in milliseconds.
pub fn takes_ms(turn: &Turn) -> i64 {
    1_200 + turn.output * 1_000 / 70
}
