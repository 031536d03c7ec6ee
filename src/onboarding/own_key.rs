//! What users decide about their own keys: their own use, never price, routing, or limits above those that the operator
//! gives everyone (`access.md` §7).

use actors::domain::key::{CostWindow, KeyLimits};
use actors::domain::money::{Nanos, PPM};
use serde_json::{Map, Value, json};

use super::json::Money;
use super::key::KeyInput;

/// Gives a new key of a user the limits that its maker left out.
pub fn fill(key: &mut Map<String, Value>, limits: &KeyLimits) {
    let amount = |nanos: Nanos| json!({ "amount": nanos.to_string() });
    let mut default = |name: &str, limited: bool, value: Value| {
        if limited {
            key.entry(name).or_insert(value);
        }
    };
    default("rpm_limit", limits.rpm_limit > 0, json!(limits.rpm_limit));
    default("concurrency_limit", limits.concurrency_limit > 0, json!(limits.concurrency_limit));
    for window in CostWindow::ALL {
        let limit = limits.cost(window);
        default(field(window), limit > Nanos::ZERO, amount(limit));
    }
}

/// Checks what a user asks for; `old` is the key as it was.
///
/// # Errors
/// The field that is not the user's to set, or not that high.
pub fn check(old: Option<&KeyInput>, new: &KeyInput, limits: &KeyLimits) -> Result<(), &'static str> {
    let routing = |key: &KeyInput| (key.bindings.clone(), key.account_tags.clone());
    if new.price_rate_ppm != old.map_or(PPM, |old| old.price_rate_ppm) {
        return Err("price_rate_ppm");
    }
    if routing(new) != old.map(routing).unwrap_or_default() {
        return Err("bindings");
    }
    if old.is_some_and(|old| old.permissions != new.permissions) {
        return Err("permissions");
    }
    let count = |limit: u32, of_old: Option<u32>, most: u32| may_have(limit, of_old, most);
    if !count(new.rpm_limit, old.map(|old| old.rpm_limit), limits.rpm_limit) {
        return Err("rpm_limit");
    }
    if !count(new.concurrency_limit, old.map(|old| old.concurrency_limit), limits.concurrency_limit) {
        return Err("concurrency_limit");
    }
    let beyond =
        |window: &CostWindow| !may_have(cost(new, *window), old.map(|old| cost(old, *window)), limits.cost(*window));
    CostWindow::ALL.into_iter().find(beyond).map_or(Ok(()), |window| Err(field(window)))
}

/// True when a limit is no looser than the most that everyone has, or than it was. 0 is the loosest of all.
fn may_have<T: Copy + Default + PartialOrd>(limit: T, old: Option<T>, most: T) -> bool {
    let none = T::default();
    let within = |bound: T| bound == none || (limit > none && limit <= bound);
    within(most) || old.is_some_and(within)
}

const fn field(window: CostWindow) -> &'static str {
    match window {
        CostWindow::Total => "total_cost_limit",
        CostWindow::Month => "monthly_cost_limit",
        CostWindow::Week => "weekly_cost_limit",
        CostWindow::WeekClaude => "weekly_claude_cost_limit",
        CostWindow::Day => "daily_cost_limit",
        CostWindow::FiveHour => "five_hour_cost_limit",
    }
}

fn cost(key: &KeyInput, window: CostWindow) -> Nanos {
    let limit = match window {
        CostWindow::Total => key.total_cost_limit,
        CostWindow::Month => key.monthly_cost_limit,
        CostWindow::Week => key.weekly_cost_limit,
        CostWindow::WeekClaude => key.weekly_claude_cost_limit,
        CostWindow::Day => key.daily_cost_limit,
        CostWindow::FiveHour => key.five_hour_cost_limit,
    };
    limit.map_or(Nanos::ZERO, |Money(nanos)| nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(fields: Value) -> KeyInput {
        let mut whole = json!({"name": "k"});
        whole.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn a_new_key_gets_the_limits_and_stays_within_them() {
        let limits = KeyLimits { daily_cost_limit: Nanos(2_000_000_000), ..KeyLimits::default() };
        let mut body = Map::new();
        fill(&mut body, &limits);
        assert_eq!(Value::Object(body), json!({"rpm_limit": 100, "daily_cost_limit": {"amount": "2.00"}}));
        let within = json!({"rpm_limit": 100, "daily_cost_limit": {"amount": "2.00"}});
        assert_eq!(check(None, &key(within), &limits), Ok(()));
        for (field, value) in [
            ("rpm_limit", json!({"rpm_limit": 101, "daily_cost_limit": {"amount": "1"}})),
            ("rpm_limit", json!({"rpm_limit": 0, "daily_cost_limit": {"amount": "1"}})),
            ("daily_cost_limit", json!({"rpm_limit": 1, "daily_cost_limit": {"amount": "2.01"}})),
            ("daily_cost_limit", json!({"rpm_limit": 1})),
            ("price_rate_ppm", json!({"rpm_limit": 1, "price_rate_ppm": 0})),
            ("bindings", json!({"rpm_limit": 1, "bindings": [{"platform": "claude", "target": "account:1"}]})),
            ("bindings", json!({"rpm_limit": 1, "account_tags": ["a"]})),
        ] {
            assert_eq!(check(None, &key(value), &limits), Err(field));
        }
    }

    #[test]
    fn what_an_administrator_gave_stays_and_is_not_raised() {
        let limits = KeyLimits::default();
        let given = json!({"rpm_limit": 500, "price_rate_ppm": 0, "permissions": "claude"});
        let old = key(given.clone());
        assert_eq!(check(Some(&old), &key(given), &limits), Ok(()));
        for (field, value) in [
            ("rpm_limit", json!({"rpm_limit": 501, "price_rate_ppm": 0, "permissions": "claude"})),
            ("rpm_limit", json!({"rpm_limit": 0, "price_rate_ppm": 0, "permissions": "claude"})),
            ("permissions", json!({"rpm_limit": 1, "price_rate_ppm": 0})),
            ("price_rate_ppm", json!({"rpm_limit": 1, "permissions": "claude"})),
        ] {
            assert_eq!(check(Some(&old), &key(value), &limits), Err(field));
        }
    }
}
