//! A pool of accounts with limits tight enough to be met.

use std::sync::Arc;

use actors::domain::account::{AccountKind, AccountSpec, Visibility};
use actors::domain::credential::Credential;
use actors::domain::group::Membership;
use actors::domain::id::GroupId;
use actors::domain::money::Nanos;
use actors::domain::time::{HOUR, SECOND, Timestamp};
use actors::testing::{api_key, oauth, spec};

use crate::dice::Dice;

/// Groups that accounts and bindings name.
pub const GROUPS: [i64; 2] = [1, 2];

pub fn accounts(dice: &mut Dice, start: Timestamp) -> Vec<(AccountSpec, Option<Arc<Credential>>)> {
    let count = dice.pick(&[1, 2, 2, 3, 4, 6]);
    let tiers = dice.chance(40);
    (1..=count).map(|id| account(dice, id, start, tiers)).collect()
}

fn account(dice: &mut Dice, id: i64, start: Timestamp, tiers: bool) -> (AccountSpec, Option<Arc<Credential>>) {
    let kind = dice.pick(&[
        AccountKind::ClaudeOfficial,
        AccountKind::ClaudeOfficial,
        AccountKind::ClaudeOfficial,
        AccountKind::ClaudeOfficial,
        AccountKind::ClaudeConsole,
        AccountKind::ClaudeConsole,
        AccountKind::ClaudeConsole,
        AccountKind::Ccr,
    ]);
    let credential = if kind.is_oauth() {
        // Some end at once, some during the run, some long after it.
        oauth(1, start.plus(dice.pick(&[20 * SECOND, 70 * SECOND, HOUR, 8 * HOUR])))
    } else {
        api_key()
    };
    let spec = AccountSpec {
        kind,
        priority: if tiers { dice.pick(&[40, 50, 60]) } else { 50 },
        weight: dice.pick(&[50, 100, 200]),
        max_concurrency: u32::try_from(dice.pick(&[0, 1, 1, 2, 3, 6])).unwrap(),
        rpm_limit: u32::try_from(dice.pick(&[0, 0, 0, 4, 12])).unwrap(),
        tpm_limit: u64::try_from(dice.pick(&[0, 0, 0, 6_000, 30_000])).unwrap(),
        daily_budget: Nanos(dice.pick(&[0, 0, 0, 9_000, 90_000])),
        budget_reset_minute: u16::try_from(dice.pick(&[0, 0, 541])).unwrap(),
        groups: groups(dice),
        tags: dice.maybe(25, |_| "fast".to_owned()).into_iter().collect(),
        visibility: if dice.chance(8) { Visibility::Dedicated } else { Visibility::Shared },
        ..spec(id)
    };
    (spec, Some(credential))
}

fn groups(dice: &mut Dice) -> Vec<Membership> {
    let member = |(group, priority): (i64, i32)| Membership::plain(GroupId(group), priority);
    let all = [(GROUPS[0], 3), (GROUPS[1], 7)];
    all.into_iter().filter(|_| dice.chance(30)).map(member).collect()
}
