//! What is admitted, what is refused and why, and that a refusal takes nothing.

use super::*;
use crate::billing::messages::Left;
use crate::domain::key::Spent;
use crate::domain::limit::{RateDimension, RateWindow};
use crate::domain::route::RefusalReason;
use crate::domain::time::{MINUTE, SECOND};

fn window(dim: RateDimension, seconds: u32, limit: i64) -> RateWindow {
    RateWindow { dim, seconds, limit, family: None }
}

fn refused(result: Result<(), AdmitRefused>) -> (RefusalReason, Option<i64>) {
    match result {
        Err(AdmitRefused::Limited { reason, retry_after_ms, .. }) => (reason, retry_after_ms),
        other => panic!("expected a limit, got {other:?}"),
    }
}

#[test]
fn a_key_without_limits_is_always_admitted_and_all_its_windows_count() {
    let mut ledger = Ledger::default();
    let key = Arc::new(policy(1));
    let granted = ledger.admit(&ask(1, &key, 5), Tz::UTC, NOW, NOW.plus(LIFE)).unwrap();
    let windows: Vec<CostWindow> = granted.windows.iter().map(|(w, _)| *w).collect();
    assert_eq!(windows, CostWindow::ALL);
    let day = utc().bounds(CostWindow::Day, NOW).start;
    assert!(
        granted.windows.contains(&(CostWindow::Day, day)) && granted.windows.contains(&(CostWindow::FiveHour, NOW))
    );
    assert_eq!(granted.limits, Default::default());
    assert_eq!(ledger.limits(KeyId(9), NOW), None);
}

#[test]
fn rates_come_before_slots_and_slots_before_money() {
    let key = Arc::new(KeyPolicy {
        rpm_limit: 1,
        concurrency_limit: 1,
        cost_limits: vec![(CostWindow::Total, Nanos(10))],
        ..policy(1)
    });
    let mut ledger = Ledger::default();
    assert_eq!(admit(&mut ledger, 1, &key, 6, NOW), Ok(()));
    assert_eq!(refused(admit(&mut ledger, 2, &key, 6, NOW)).0, RefusalReason::RateRequests);
    let later = NOW.plus(2 * MINUTE);
    assert_eq!(admit(&mut ledger, 2, &key, 6, later), Err(AdmitRefused::KeyBusy));
    assert!(ledger.give_back(permit(1, &key)));
    assert_eq!(
        admit(&mut ledger, 2, &key, 6, later),
        Err(AdmitRefused::Limited {
            reason: RefusalReason::OutOfMoney("total_cost_limit_exceeded"),
            retry_after_ms: None,
            reset_at: None,
        })
    );
    assert_eq!(admit(&mut ledger, 3, &key, 4, later), Ok(()), "refusals took no request, no slot, no money");
}

#[test]
fn money_windows_are_reported_in_their_order_with_their_reset() {
    let both = vec![(CostWindow::Day, Nanos(5)), (CostWindow::Week, Nanos(5))];
    let key = Arc::new(KeyPolicy { cost_limits: both, ..policy(1) });
    let mut ledger = Ledger::default();
    let week_end = utc().bounds(CostWindow::Week, NOW).end;
    assert_eq!(
        admit(&mut ledger, 1, &key, 6, NOW),
        Err(AdmitRefused::Limited {
            reason: RefusalReason::OutOfMoney("weekly_cost_limit_exceeded"),
            retry_after_ms: None,
            reset_at: week_end,
        })
    );
    assert_eq!(admit(&mut ledger, 2, &key, 0, NOW), Ok(()), "free requests are admitted whatever was spent");
    let limits = ledger.limits(key.id, NOW).unwrap();
    assert!(limits.windows.iter().all(|w| (w.used.0, w.held.0) == (0, 0)));
}

#[test]
fn the_owner_limits_all_keys_together() {
    let owned = |id| {
        let mut key = policy(id);
        key.owner.max_concurrency = 2;
        key.owner.rpm_limit = 3;
        Arc::new(key)
    };
    let (one, two) = (owned(1), owned(2));
    let mut ledger = Ledger::default();
    assert_eq!(admit(&mut ledger, 1, &one, 0, NOW), Ok(()));
    assert_eq!(admit(&mut ledger, 2, &two, 0, NOW), Ok(()));
    assert_eq!(admit(&mut ledger, 3, &one, 0, NOW), Err(AdmitRefused::UserBusy));
    assert!(ledger.give_back(permit(2, &two)));
    assert!(!ledger.give_back(permit(2, &two)), "a slot comes back once");
    assert_eq!(admit(&mut ledger, 3, &one, 0, NOW), Ok(()));
    assert!(ledger.give_back(permit(3, &one)));
    assert_eq!(refused(admit(&mut ledger, 4, &two, 0, NOW)).0, RefusalReason::RateRequests);
}

#[test]
fn windows_name_their_dimension_and_the_wait_that_helps() {
    let family = RateWindow { family: Some(Family("opus".into())), ..window(RateDimension::Requests, 60, 1) };
    let rules = vec![
        family,
        window(RateDimension::Tokens, 600, 2_500),
        window(RateDimension::Cost, 3_600, 30),
        window(RateDimension::Requests, 10, 0),
    ];
    let key = Arc::new(KeyPolicy { windows: rules, ..policy(1) });
    let mut ledger = Ledger::default();
    for request in 1..=2 {
        assert_eq!(admit(&mut ledger, request, &key, 10, NOW), Ok(()));
    }
    let (reason, wait) = refused(admit(&mut ledger, 3, &key, 10, NOW));
    assert_eq!((reason, wait), (RefusalReason::RateTokens, Some(610 * SECOND)));
    let mut huge = ask(4, &key, 10);
    huge.tokens_estimate = 3_000;
    let never = ledger.admit(&huge, Tz::UTC, NOW, NOW.plus(LIFE)).map(|_| ());
    assert_eq!(refused(never), (RefusalReason::RequestExceedsLimit, None));
    settle(&mut ledger, 1, &key, 25, NOW);
    let (reason, _) = refused(admit(&mut ledger, 5, &key, 10, NOW));
    assert_eq!(reason, RefusalReason::RateCostWindow, "tokens were corrected to 400, the charge to 25");
    assert_eq!(admit(&mut ledger, 6, &key, 0, NOW), Ok(()), "a free request has no cost to limit");
    assert_eq!(ledger.limits(key.id, NOW).unwrap().rates.len(), 3);
}

#[test]
fn the_price_is_asked_for_after_rates_and_slots_and_before_money() {
    let cost_limits = vec![(CostWindow::Total, Nanos(5))];
    let key = Arc::new(KeyPolicy { rpm_limit: 1, concurrency_limit: 1, cost_limits, ..policy(1) });
    let unpriced = |request| Admit { priced: false, ..ask(request, &key, 10) };
    let mut ledger = Ledger::default();
    let decide = |ledger: &mut Ledger, ask: &Admit, now| ledger.admit(ask, Tz::UTC, now, now.plus(LIFE)).map(|_| ());
    assert_eq!(
        refused(decide(&mut ledger, &unpriced(1), NOW)).0,
        RefusalReason::ModelNotPriced,
        "money is the next row"
    );
    assert_eq!(admit(&mut ledger, 2, &key, 5, NOW), Ok(()), "nothing was taken");
    assert_eq!(refused(decide(&mut ledger, &unpriced(3), NOW)).0, RefusalReason::RateRequests);
    let later = NOW.plus(2 * MINUTE);
    assert_eq!(decide(&mut ledger, &unpriced(4), later), Err(AdmitRefused::KeyBusy));
}

#[test]
fn the_answer_says_what_is_left_after_it() {
    let windows = vec![window(RateDimension::Tokens, 60, 5_000), window(RateDimension::Tokens, 600, 4_000)];
    let key = Arc::new(KeyPolicy { rpm_limit: 10, windows, ..policy(1) });
    let mut ledger = Ledger::default();
    let left = ledger.admit(&ask(1, &key, 0), Tz::UTC, NOW, NOW.plus(LIFE)).unwrap().limits;
    assert_eq!(left.requests, Some(Left { limit: 10, remaining: 9, reset_at: NOW.plus(61 * SECOND) }));
    assert_eq!(left.tokens, Some(Left { limit: 4_000, remaining: 3_000, reset_at: NOW.plus(610 * SECOND) }));
}

#[test]
fn a_newer_policy_takes_effect_at_once_and_keeps_what_was_counted() {
    let with = |version, rpm_limit, day| {
        let windows = vec![window(RateDimension::Requests, 600, i64::from(rpm_limit))];
        let cost_limits = vec![(CostWindow::Day, Nanos(day))];
        Arc::new(KeyPolicy { version, rpm_limit, windows, cost_limits, ..policy(1) })
    };
    let mut ledger = Ledger::default();
    assert_eq!(admit(&mut ledger, 1, &with(1, 1, 10), 10, NOW), Ok(()));
    assert_eq!(refused(admit(&mut ledger, 2, &with(1, 1, 10), 10, NOW)).0, RefusalReason::RateRequests);
    let raised = with(2, 2, 20);
    assert_eq!(admit(&mut ledger, 2, &raised, 10, NOW), Ok(()));
    assert_eq!(refused(admit(&mut ledger, 3, &raised, 10, NOW)).0, RefusalReason::RateRequests);
    let unlimited = Arc::new(KeyPolicy { version: 3, ..policy(1) });
    assert_eq!(admit(&mut ledger, 4, &unlimited, 50, NOW), Ok(()));
    assert_eq!(admit(&mut ledger, 5, &with(1, 1, 10), 10, NOW), Ok(()), "an older copy changes nothing");
    settle(&mut ledger, 1, &unlimited, 9, NOW);
    assert_eq!(amounts(&ledger, &unlimited, CostWindow::Day, NOW), (9, 70));
}

#[test]
fn stored_amounts_start_a_key_and_are_ignored_afterwards() {
    let day = utc().bounds(CostWindow::Day, NOW).start;
    let spent = |used| vec![Spent { window: CostWindow::Day, start: day, used: Nanos(used) }];
    let stored = |version, used| {
        let cost_limits = vec![(CostWindow::Day, Nanos(100))];
        Arc::new(KeyPolicy { version, spent: spent(used), cost_limits, ..policy(1) })
    };
    let mut ledger = Ledger::default();
    assert!(admit(&mut ledger, 1, &stored(1, 95), 10, NOW).is_err());
    assert_eq!(admit(&mut ledger, 1, &stored(1, 95), 5, NOW), Ok(()));
    assert!(admit(&mut ledger, 2, &stored(2, 0), 5, NOW).is_err());
    assert_eq!(admit(&mut ledger, 2, &stored(2, 0), 5, NOW.plus(DAY)), Ok(()));
}

#[test]
fn a_repeated_question_gets_the_first_answer_and_takes_nothing_again() {
    let key = Arc::new(KeyPolicy { concurrency_limit: 1, ..policy(1) });
    let mut ledger = Ledger::default();
    let first = ledger.admit(&ask(1, &key, 7), Tz::UTC, NOW, NOW.plus(LIFE)).unwrap();
    let again = ledger.admit(&ask(1, &key, 7), Tz::UTC, NOW.plus(9), NOW.plus(LIFE)).unwrap();
    assert_eq!((first.windows, first.permit), (again.windows, again.permit));
    assert_eq!(amounts(&ledger, &key, CostWindow::Total, NOW), (0, 7));
    assert_eq!(ledger.limits(key.id, NOW).unwrap().slots_used, 1);
}
