//! What a seed stands for: the pool, the keys, the settings, who calls when, and what goes wrong.

mod accounts;
mod callers;
mod faults;
mod keys;

use std::sync::Arc;

use actors::domain::account::AccountSpec;
use actors::domain::credential::Credential;
use actors::domain::key::KeyPolicy;
use actors::domain::settings::Settings;
use actors::domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use actors::testing::START;

use super::dice::Dice;

pub use callers::Caller;
pub use faults::{Faults, Outage, Victim, Weather};

/// How long callers keep coming, mostly.
pub const TRAFFIC_MS: i64 = 90 * SECOND;
/// … and when breakers and long rests are to be seen.
pub const LONG_TRAFFIC_MS: i64 = 12 * MINUTE;

/// Everything that is fixed before the first event.
pub struct Plan {
    pub start: Timestamp,
    pub settings: Settings,
    pub accounts: Vec<(AccountSpec, Option<Arc<Credential>>)>,
    pub keys: Vec<Arc<KeyPolicy>>,
    pub callers: Vec<Caller>,
    pub faults: Faults,
}

impl Plan {
    pub fn of(dice: &mut Dice) -> Self {
        // Now and then a day ends in the middle.
        let start = START.plus(dice.pick(&[0, 9 * HOUR, DAY - 40 * SECOND]));
        let accounts = accounts::accounts(dice, start);
        let keys = keys::keys(dice, accounts.len());
        let lasts_ms = dice.pick(&[TRAFFIC_MS, TRAFFIC_MS, LONG_TRAFFIC_MS]);
        let faults = Faults::of(dice, (start, lasts_ms), accounts.len());
        let callers = callers::callers(dice, (start, lasts_ms), keys.len());
        Self { start, settings: settings(dice), accounts, keys, callers, faults }
    }
}

fn settings(dice: &mut Dice) -> Settings {
    let defaults = Settings::default();
    Settings {
        sticky_ttl_min: dice.pick(&[1, 60]),
        sticky_renew_below_min: dice.pick(&[0, 14]),
        sticky_slot_wait_ms: dice.pick(&[0, 800, 5_000]),
        queue_key_timeout_ms: dice.pick(&[0, 2_000, 10_000]),
        queue_pool_timeout_ms: dice.pick(&[1_500, 10_000, 30_000]),
        queue_max_total: dice.pick(&[2, 12, 1_000, 1_000]),
        failover_max_switches: dice.pick(&[0, 2, 5]),
        failover_budget_percent: dice.pick(&[0, 20]),
        breaker_close_after: dice.pick(&[1, 3]),
        breaker_backoff_min: dice.pick(&[vec![1], vec![5, 10, 30]]),
        pool_floor_percent: dice.pick(&[0, 30, 30, 100]),
        refresh_lead_min: dice.pick(&[1, 30]),
        refresh_max_parallel: dice.pick(&[1, 4]),
        usage_flush_ms: dice.pick(&[50, 1_000]),
        ..defaults
    }
}
