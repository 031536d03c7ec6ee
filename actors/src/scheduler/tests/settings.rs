//! Each scheduling setting of `scheduling.md` §19 changes behaviour: the same story, told with its default and with another
//! value, ends differently.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::account::view::Breaker;
use crate::domain::id::AccountId;
use crate::domain::route::RouteRequest;
use crate::domain::settings::Settings;
use crate::domain::time::{HOUR, MINUTE, SECOND};
use crate::domain::window::{Scope, WindowKind};
use crate::scheduler::tests::{Answer, T0, World, cooling, session, sonnet, view, window};

/// A setting, another value for it, and a story whose end depends on it.
type Row = (&'static str, fn() -> Value, fn(&Settings) -> String);

const TABLE: &[Row] = &[
    ("sticky.ttl_min", || json!(30), binding_lives),
    ("sticky.renew_below_min", || json!(59), binding_lives),
    ("sticky.slot_wait_ms", || json!(1_000), session_waits),
    ("queue.key_timeout_ms", || json!(2_000), key_waits),
    ("queue.pool_timeout_ms", || json!(2_000), pool_waits),
    ("queue.max_total", || json!(2), waiters),
    ("failover.budget_percent", || json!(100), extra_attempts),
    ("failover.budget_min", || json!(9), extra_attempts),
    ("pool_floor.percent", || json!(0), outage),
    ("headroom.stale_after_h", || json!(1), old_window),
    ("headroom.min_time_left_ppm", || json!(500_000), ending_window),
];

/// Shown elsewhere: by the account's state machine (`account/tests/settings.rs`), over HTTP (`tests/it/settings.rs`), and by the
/// fleet's tests.
const ELSEWHERE: &[&str] = &[
    "breaker.open_below",
    "breaker.backoff_min",
    "breaker.close_after",
    "refresh.lead_min",
    "health.regen_per_5min",
    "failover.max_switches",
    "failover.deadline_ms",
    "stream.commit_grace_ms",
    "sticky.response_ttl_min",
    "lease.ttl_ms",
    "lease.renew_ms",
    "cache.on_failure",
];

#[test]
fn every_setting_of_the_scheduler_changes_what_happens() {
    for (name, value, story) in TABLE {
        let mut changed = Settings::default();
        changed.set(name, &value()).unwrap();
        let (before, after) = (story(&Settings::default()), story(&changed));
        assert_ne!(before, after, "{name} changes nothing");
        assert_eq!(before, story(&Settings::default()), "{name}: the story is not the same when it is told again");
    }
}

#[test]
fn no_setting_of_the_reference_is_forgotten() {
    let prefixes =
        ["sticky.", "queue.", "lease.", "failover.", "stream.commit", "breaker.", "pool_floor.", "headroom."];
    let names = Settings::catalogue().into_iter().map(|info| info.key);
    let shown = |name: &str| TABLE.iter().any(|(row, ..)| *row == name) || ELSEWHERE.contains(&name);
    let missing: Vec<&str> =
        names.filter(|name| prefixes.iter().any(|p| name.starts_with(p)) && !shown(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn world(settings: &Settings, accounts: i64, slots: u32) -> World {
    let mut world = World::new((1..=accounts).map(|id| view(id, |s, _| s.max_concurrency = slots)));
    world.settings = settings.clone();
    world
}

fn of_session(n: u128) -> RouteRequest {
    RouteRequest { session: session(1), ..sonnet(n) }
}

/// How a session is served after 40 minutes, and after 40 more.
fn binding_lives(settings: &Settings) -> String {
    let mut world = world(settings, 2, 10);
    let mut story = String::new();
    for n in 0..3 {
        let grant = world.grant(of_session(n));
        story += grant.notes.sticky.label();
        world.end(grant);
        world.pass(40 * MINUTE);
    }
    story
}

/// When a session gives up waiting for its full account.
fn session_waits(settings: &Settings) -> String {
    let mut world = world(settings, 2, 1);
    let _running = world.grant(of_session(0));
    let waiting = world.ask(of_session(1));
    world.pass(3 * SECOND);
    format!("{:?}", matches!(world.answer(waiting), Answer::Granted(_)))
}

/// Whether a request still waits for its key's slot after three seconds.
fn key_waits(settings: &Settings) -> String {
    let mut world = world(settings, 1, 10);
    world.key_limit = Some(1);
    let _running = world.grant(World::with_admission(sonnet(0)));
    let waiting = world.ask(World::with_admission(sonnet(1)));
    world.pass(3 * SECOND);
    format!("{:?}", matches!(world.answer(waiting), Answer::Waiting))
}

/// Whether a request still waits for an account after three seconds.
fn pool_waits(settings: &Settings) -> String {
    let mut world = world(settings, 1, 1);
    let _running = world.grant(sonnet(0));
    let waiting = world.ask(sonnet(1));
    world.pass(3 * SECOND);
    format!("{:?}", matches!(world.answer(waiting), Answer::Waiting))
}

/// How many of three may wait.
fn waiters(settings: &Settings) -> String {
    let mut world = world(settings, 1, 1);
    let _running = world.grant(sonnet(0));
    let waiting = (1..4).filter(|n| matches!(world.route(sonnet(*n)), Answer::Waiting)).count();
    waiting.to_string()
}

/// How many of twenty requests may try a second account, of which nobody knows anything good.
fn extra_attempts(settings: &Settings) -> String {
    let mut world = world(settings, 2, 0);
    for id in [1, 2] {
        world.adjust(id, |v| v.last_attempt_ok = false);
    }
    let mut extra = 0;
    for n in 0..20 {
        let first = world.grant(sonnet(n));
        let tried = first.lease.account.id;
        world.end(first);
        let mut second = sonnet(n);
        (second.attempt.number, second.excluded, second.may_wait) = (2, vec![tried], false);
        if let Answer::Granted(grant) = world.route(second) {
            extra += 1;
            world.end(grant);
        }
    }
    extra.to_string()
}

/// How many accounts serve of a pool whose ten accounts all rest after an outage.
fn outage(settings: &Settings) -> String {
    let mut world = world(settings, 10, 10);
    for id in 1..=10 {
        let until = T0.plus((60 + id) * SECOND);
        world.adjust(id, |v| v.cooldowns = cooling(Scope::All, "server", until, true));
    }
    let record = world.turn(|state, turn| state.simulate(turn, sonnet(0)));
    record.candidates.iter().filter(|c| c.excluded.is_none()).count().to_string()
}

/// Headroom of an account whose vendor window was seen two hours ago.
fn old_window(settings: &Settings) -> String {
    score(settings, 84 * HOUR, 2 * HOUR)
}

/// Headroom of an account whose vendor window ends in half an hour.
fn ending_window(settings: &Settings) -> String {
    score(settings, HOUR / 2, 0)
}

fn score(settings: &Settings, resets_in: i64, age: i64) -> String {
    let mut world = world(settings, 1, 0);
    world.adjust(1, |v| {
        v.breaker = Breaker::Closed;
        let mut seen = window(WindowKind::SevenDay, 990_000, resets_in);
        seen.observed_at = T0.plus(-age);
        v.windows = Arc::new([seen]);
    });
    let record = world.turn(|state, turn| state.simulate(turn, sonnet(0)));
    record.candidates.iter().find(|c| c.account == AccountId(1)).unwrap().headroom.ppm.to_string()
}
