//! `scheduling.md` §15, column "state", row by row.

use std::sync::Arc;

use super::Bench;
use crate::domain::account::{AccountSpec, AccountStatus};
use crate::domain::jitter::{jittered, recovery_offset};
use crate::domain::model::Family;
use crate::domain::time::{DAY, HOUR, MINUTE, SECOND};
use crate::domain::verdict::{AttemptReport, Judgement, Verdict};
use crate::domain::window::Scope;
use crate::testing::{api_key, report, spec};

fn sonnet() -> Scope {
    Scope::Family(Family(Arc::from("sonnet")))
}

/// Length and softness of the one cooldown that a judgement sets on a fresh account 7, and the health it leaves.
fn cooled(judgement: Judgement) -> (i64, bool, i64) {
    let mut bench = Bench::keyed();
    bench.attempt(judgement.clone());
    let view = bench.view();
    assert_eq!(view.cooldowns.len(), 1, "{judgement:?}");
    let entry = &view.cooldowns[0];
    assert_eq!((entry.scope.clone(), entry.reason.as_str()), (judgement.scope, judgement.verdict.as_str()));
    (entry.until.since(bench.now), entry.soft, view.health)
}

#[test]
fn verdicts_without_a_consequence_leave_the_account_untouched() {
    use Verdict::{Cancelled, Challenge, Client, NotALimit, Proxy, ThinkingSignature};
    for verdict in [Client, ThinkingSignature, NotALimit, Challenge, Proxy, Cancelled] {
        let mut bench = Bench::keyed();
        let fx = bench.attempt(Judgement::of(verdict));
        let view = bench.view();
        assert_eq!((view.health, view.cooldowns.len(), view.spec.status), (100, 0, AccountStatus::Active));
        assert!(fx.calls.is_empty() && fx.events.is_empty(), "{verdict:?}");
    }
}

#[test]
fn ramps_start_at_their_base_and_are_soft() {
    for (verdict, base, health) in [
        (Verdict::RateLimitedUnknown, 5, 90),
        (Verdict::Overloaded, 15, 70),
        (Verdict::Unavailable, 10, 95),
        (Verdict::Server, 5, 95),
        (Verdict::Timeout, 10, 95),
        (Verdict::Forbidden, 60, 95),
    ] {
        let judgement = Judgement { scope: sonnet(), ..Judgement::of(verdict) };
        assert_eq!(
            cooled(judgement),
            (jittered(base * SECOND, crate::domain::id::AccountId(7), 1), true, health),
            "{verdict:?}"
        );
    }
}

#[test]
fn ramps_end_at_their_caps() {
    for (verdict, cap) in [
        (Verdict::RateLimitedUnknown, 300),
        (Verdict::Overloaded, 600),
        (Verdict::Unavailable, 60),
        (Verdict::Server, 300),
        (Verdict::Timeout, 300),
    ] {
        let mut bench = Bench::keyed();
        bench.attempts(&[verdict; 12]);
        let entry = bench.view().cooldowns[0].clone();
        assert_eq!(entry.step, 12);
        assert_eq!(entry.until.since(bench.now), jittered(cap * SECOND, bench.state.id(), 12), "{verdict:?}");
    }
}

#[test]
fn a_stated_reset_is_hard_and_gets_its_offset() {
    let bench = Bench::keyed();
    let offset = recovery_offset(bench.state.id(), 1);
    let until = bench.now.plus(3 * HOUR);
    for verdict in [Verdict::RateLimited, Verdict::RateLimitedUnknown, Verdict::QuotaExhausted] {
        let judgement = Judgement { until: Some(until), scope: sonnet(), ..Judgement::of(verdict) };
        assert_eq!(cooled(judgement), (3 * HOUR - 1 + offset, false, 90), "{verdict:?}");
    }
}

#[test]
fn stated_waits_are_believed_within_bounds() {
    let offset = recovery_offset(crate::domain::id::AccountId(7), 1);
    let waiting = |verdict, ms| Judgement { retry_after_ms: Some(ms), ..Judgement::of(verdict) };
    assert_eq!(cooled(waiting(Verdict::RateLimited, 90 * SECOND)), (90 * SECOND + offset, false, 90));
    assert_eq!(cooled(waiting(Verdict::RateLimited, DAY)), (HOUR + offset, false, 90), "at most an hour");
    assert_eq!(cooled(waiting(Verdict::QuotaExhausted, 0)), (HOUR + offset, false, 90), "else an hour");
    assert_eq!(cooled(waiting(Verdict::Overloaded, 40 * SECOND)), (40 * SECOND, true, 70), "an outage stays soft");
    assert_eq!(cooled(waiting(Verdict::Unavailable, DAY)), (600 * SECOND, true, 95));
    let past = Judgement { until: Some(crate::testing::START), ..Judgement::of(Verdict::RateLimited) };
    assert!(cooled(past).1, "a reset in the past is no reset");
}

#[test]
fn an_account_may_replace_the_ramp_of_unknown_limits() {
    let options = [("rate_limit_minutes".to_owned(), "3".to_owned())].into();
    let mut bench = Bench::of(AccountSpec { options, ..spec(7) }, api_key());
    bench.attempts(&[Verdict::RateLimitedUnknown]);
    assert_eq!(bench.view().cooldowns[0].until.since(bench.now), 3 * MINUTE);
}

#[test]
fn a_cut_stream_costs_health_and_no_cooldown() {
    let mut bench = Bench::keyed();
    bench.attempts(&[Verdict::Cut]);
    let view = bench.view();
    assert_eq!((view.health, view.cooldowns.len(), view.last_attempt_ok), (95, 0, false));
}

#[test]
fn an_unknown_model_is_learnt_for_an_hour() {
    let mut bench = Bench::keyed();
    bench.attempts(&[Verdict::ModelUnknown]);
    assert_eq!(bench.health(), 100);
    assert_eq!(bench.grant(), None);
    let opus = bench.ask_for("claude-opus-4-5");
    assert!(bench.acquire(opus).is_some());
    bench.wait(HOUR);
    assert!(bench.grant().is_some());
}

#[test]
fn a_limited_family_leaves_the_others_usable() {
    let mut bench = Bench::keyed();
    let until = Some(bench.now.plus(5 * SECOND));
    bench.attempt(Judgement { until, scope: sonnet(), ..Judgement::of(Verdict::RateLimited) });
    assert_eq!(bench.grant(), None);
    let opus = bench.ask_for("claude-opus-4-5");
    assert!(bench.acquire(opus).is_some());
    bench.now = bench.view().cooldowns[0].until;
    assert!(bench.grant().is_some(), "the first question after the end is served");
}

#[test]
fn the_pool_floor_passes_soft_entries_and_no_hard_ones() {
    let mut bench = Bench::keyed();
    bench.attempts(&[Verdict::Server]);
    let floor = |bench: &mut Bench| crate::account::messages::Acquire { pool_floor: true, ..bench.ask() };
    assert_eq!(bench.grant(), None);
    let ask = floor(&mut bench);
    assert!(bench.acquire(ask).is_some());
    let until = Some(bench.now.plus(HOUR));
    bench.attempt(Judgement { until, ..Judgement::of(Verdict::RateLimited) });
    let ask = floor(&mut bench);
    assert_eq!(bench.acquire(ask), None);
}

#[test]
fn a_success_ends_older_ramps_but_no_newer_ones() {
    let mut bench = Bench::keyed();
    let slow = bench.force();
    let slow_started = bench.now;
    bench.wait(1);
    bench.attempts(&[Verdict::Server]);
    let late_success = report(Verdict::Ok, slow_started, bench.now);
    bench.end(slow, late_success);
    assert_eq!(bench.view().cooldowns.len(), 1, "it started before the failure");
    bench.attempts(&[Verdict::Ok]);
    assert!(bench.view().cooldowns.is_empty());
}

#[test]
fn windows_speed_and_errors_are_shown() {
    let mut bench = Bench::keyed();
    let window = crate::domain::window::WindowSnapshot {
        kind: crate::domain::window::WindowKind::FiveHour,
        scope: Scope::All,
        used_ppm: 410_000,
        status: None,
        surpassed: false,
        resets_at: Some(bench.now.plus(HOUR)),
        length_ms: 5 * HOUR,
        observed_at: bench.now,
    };
    let lease = bench.force();
    let seen = AttemptReport {
        windows: vec![window.clone()],
        first_token_ms: Some(700),
        ..report(Verdict::Ok, bench.now, bench.now)
    };
    bench.end(lease, seen);
    bench.attempts(&[Verdict::Server]);
    let view = bench.view();
    assert_eq!(*view.windows, [window]);
    assert_eq!((view.first_token_ms, view.error_ppm, view.samples), (700, 200_000, 2));
}
