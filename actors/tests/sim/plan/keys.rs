//! API keys with every kind of limit, shared owners, bindings and tags.

use std::sync::Arc;

use actors::domain::account::Platform;
use actors::domain::id::{AccountId, GroupId, UserId};
use actors::domain::key::{Binding, BindingTarget, CostWindow, KeyPolicy, OwnerPolicy, StickyMode};
use actors::domain::limit::{RateDimension, RateWindow};
use actors::domain::model::Family;
use actors::domain::money::{Nanos, PPM};

use super::accounts::GROUPS;
use crate::dice::Dice;

pub fn keys(dice: &mut Dice, accounts: usize) -> Vec<Arc<KeyPolicy>> {
    let count = dice.within(1, 5);
    let owners: Vec<OwnerPolicy> = (1..=2).map(|id| owner(dice, id)).collect();
    (1..=count).map(|id| Arc::new(policy(dice, id, &owners, accounts))).collect()
}

fn owner(dice: &mut Dice, id: i64) -> OwnerPolicy {
    OwnerPolicy {
        id: UserId(id),
        max_concurrency: u32::try_from(dice.pick(&[0, 0, 2, 5])).unwrap(),
        rpm_limit: u32::try_from(dice.pick(&[0, 0, 20])).unwrap(),
        price_rate_ppm: PPM,
        active: true,
    }
}

fn policy(dice: &mut Dice, id: i64, owners: &[OwnerPolicy], accounts: usize) -> KeyPolicy {
    KeyPolicy {
        owner: dice.pick(owners),
        concurrency_limit: u32::try_from(dice.pick(&[0, 0, 1, 2, 5])).unwrap(),
        rpm_limit: u32::try_from(dice.pick(&[0, 0, 5, 30])).unwrap(),
        windows: dice.maybe(35, window).into_iter().collect(),
        cost_limits: dice.maybe(40, cost_limit).into_iter().collect(),
        bindings: dice.maybe(25, |dice| binding(dice, accounts)).into_iter().collect(),
        account_tags: dice.maybe(4, |_| "fast".to_owned()).into_iter().collect(),
        sticky_mode: dice.pick(&[StickyMode::Prefer, StickyMode::Prefer, StickyMode::Off, StickyMode::Strict]),
        ..actors::testing::policy(id)
    }
}

fn window(dice: &mut Dice) -> RateWindow {
    let dim = dice.pick(&[RateDimension::Requests, RateDimension::Tokens, RateDimension::Cost]);
    let limit = match dim {
        RateDimension::Requests => dice.within(3, 20),
        RateDimension::Tokens => dice.within(5_000, 40_000),
        RateDimension::Cost => dice.within(10_000, 80_000),
    };
    let seconds = u32::try_from(dice.pick(&[5, 30, 90])).unwrap();
    RateWindow { dim, seconds, limit, family: dice.maybe(25, |_| Family(Arc::from("sonnet"))) }
}

fn cost_limit(dice: &mut Dice) -> (CostWindow, Nanos) {
    let window = dice.pick(&[CostWindow::Total, CostWindow::Day, CostWindow::FiveHour]);
    (window, Nanos(dice.within(5_000, 120_000)))
}

fn binding(dice: &mut Dice, accounts: usize) -> Binding {
    let account = BindingTarget::Account(AccountId(dice.within(1, i64::try_from(accounts).unwrap())));
    let group = BindingTarget::Group(GroupId(dice.pick(&GROUPS)));
    Binding { platform: Platform::Claude, target: dice.pick(&[account, group]), strict: dice.chance(50) }
}
