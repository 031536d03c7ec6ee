//! `scheduling.md` §18: who waits for a token, and what ends a round of refresh.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Bench;
use crate::account::effects::{Call, Effects, Event, RefreshResult};
use crate::account::messages::{Exchanged, Loaded, NewerCredential, RefreshNow};
use crate::account::view::CredentialState;
use crate::domain::account::AccountStatus;
use crate::domain::credential::Credential;
use crate::domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use crate::ports::{PortError, RefreshError, StoredAccount};
use crate::testing::{START, oauth, oauth_account};

type Answer = oneshot::Receiver<Result<Arc<Credential>, RefreshError>>;

fn with_time_left(ms: i64) -> Bench {
    Bench::of(oauth_account(7), oauth(1, START.plus(ms)))
}

fn refused(bench: &mut Bench, seen_version: i64) -> (Effects, Answer) {
    let (reply, answer) = oneshot::channel();
    let ask = NewerCredential { seen_version, reply };
    (bench.state.on_newer_credential(bench.now, &bench.settings, ask), answer)
}

/// Storage still has what we have.
fn nothing_new(bench: &mut Bench, fx: &Effects) -> Effects {
    let [Call::Load(generation)] = fx.calls[..] else { panic!("{:?}", fx.calls) };
    let stored = bench.state.cell().last_known.borrow().clone();
    bench.state.on_loaded(bench.now, &bench.settings, Loaded { generation, result: Ok(Some(stored)) })
}

fn rotated(bench: &mut Bench, fx: &Effects, credential: Arc<Credential>) -> Effects {
    let [Call::Load(generation)] = fx.calls[..] else { panic!("{:?}", fx.calls) };
    let spec = Arc::clone(bench.state.spec());
    let result = Ok(Some(StoredAccount { spec, credential: Some(credential) }));
    bench.state.on_loaded(bench.now, &bench.settings, Loaded { generation, result })
}

fn exchanged(bench: &mut Bench, fx: &Effects, result: Result<Arc<Credential>, RefreshError>) -> Effects {
    let [Call::Exchange(generation, _)] = fx.calls[..] else { panic!("{:?}", fx.calls) };
    bench.state.on_exchanged(bench.now, &bench.settings, Exchanged { generation, result })
}

fn transient() -> Result<Arc<Credential>, RefreshError> {
    Err(RefreshError::Transient("503".to_owned()))
}

fn permanent() -> Result<Arc<Credential>, RefreshError> {
    Err(RefreshError::Permanent("invalid_grant".to_owned()))
}

#[test]
fn a_hundred_refused_workers_share_one_exchange() {
    let mut bench = with_time_left(HOUR);
    let (first, answer) = refused(&mut bench, 1);
    let mut answers = vec![answer];
    for _ in 1..100 {
        let (fx, answer) = refused(&mut bench, 1);
        assert!(fx.calls.is_empty());
        answers.push(answer);
    }
    assert_eq!(bench.view().credential, CredentialState::Refreshing);
    let fx = nothing_new(&mut bench, &first);
    exchanged(&mut bench, &fx, Ok(oauth(2, START.plus(8 * HOUR))));
    for mut answer in answers {
        assert_eq!(answer.try_recv().unwrap().unwrap().version, 2);
    }
    let (fx, mut late) = refused(&mut bench, 1);
    assert!(fx.calls.is_empty(), "a newer one is given at once");
    assert_eq!(late.try_recv().unwrap().unwrap().version, 2);
}

#[test]
fn a_token_that_another_process_renewed_is_used_without_an_exchange() {
    let mut bench = with_time_left(HOUR);
    let (fx, mut answer) = refused(&mut bench, 1);
    let fx = rotated(&mut bench, &fx, oauth(2, START.plus(8 * HOUR)));
    assert!(fx.calls.is_empty());
    assert_eq!(answer.try_recv().unwrap().unwrap().version, 2);
}

#[test]
fn a_refused_refresh_token_is_checked_against_storage_before_it_is_believed() {
    let mut bench = with_time_left(HOUR);
    let (fx, mut answer) = refused(&mut bench, 1);
    let fx = nothing_new(&mut bench, &fx);
    let fx = exchanged(&mut bench, &fx, permanent());
    let fx = rotated(&mut bench, &fx, oauth(2, START.plus(8 * HOUR)));
    assert!(fx.calls.is_empty());
    assert_eq!(answer.try_recv().unwrap().unwrap().version, 2);
    assert_eq!((bench.health(), bench.view().spec.status), (100, AccountStatus::Active));
}

#[test]
fn a_rotated_token_that_is_old_too_gets_one_more_exchange() {
    let mut bench = with_time_left(HOUR);
    let (fx, mut answer) = refused(&mut bench, 1);
    let fx = nothing_new(&mut bench, &fx);
    let fx = exchanged(&mut bench, &fx, permanent());
    let fx = rotated(&mut bench, &fx, oauth(2, START.plus(SECOND)));
    let [Call::Exchange(_, base)] = &fx.calls[..] else { panic!("{:?}", fx.calls) };
    assert_eq!(base.version, 2);
    exchanged(&mut bench, &fx, Ok(oauth(3, START.plus(8 * HOUR))));
    assert_eq!(answer.try_recv().unwrap().unwrap().version, 3);
}

#[test]
fn a_permanent_failure_is_an_error_and_nothing_is_tried_again() {
    let mut bench = with_time_left(HOUR);
    let (fx, mut answer) = refused(&mut bench, 1);
    let fx = nothing_new(&mut bench, &fx);
    let fx = exchanged(&mut bench, &fx, permanent());
    let fx = nothing_new(&mut bench, &fx);
    assert!(matches!(answer.try_recv().unwrap(), Err(RefreshError::Permanent(_))));
    assert!(fx.events.contains(&Event::Refreshed(RefreshResult::Permanent, 0)));
    assert_eq!(bench.view().spec.status_reason.as_deref(), Some("reauth_required"));
    assert_eq!(bench.health(), 80);
    bench.wait(30 * DAY);
    assert!(bench.due().calls.is_empty());
    let (fx, mut answer) = refused(&mut bench, 1);
    assert!(fx.calls.is_empty());
    assert!(matches!(answer.try_recv().unwrap(), Err(RefreshError::Permanent(_))));

    // A person authorises again: the same account, at once usable.
    let (reply, _answer) = oneshot::channel();
    let fx = bench.state.on_refresh_now(bench.now, &bench.settings, RefreshNow(reply));
    let until = bench.now.plus(8 * HOUR);
    rotated(&mut bench, &fx, oauth(9, until));
    assert_eq!(bench.view().spec.status, AccountStatus::Active);
    assert!(bench.grant().is_some());
}

#[test]
fn transient_failures_are_retried_three_times_and_then_rest() {
    let mut bench = with_time_left(10 * MINUTE);
    let fx = bench.due();
    let mut fx = nothing_new(&mut bench, &fx);
    for pause in [SECOND, 2 * SECOND, 4 * SECOND] {
        exchanged(&mut bench, &fx, transient());
        assert!(bench.grant().is_some(), "the current token stays in use");
        let before = bench.now;
        fx = bench.sleep_until_due();
        assert_eq!(bench.now.since(before), pause);
    }
    let fx = exchanged(&mut bench, &fx, transient());
    assert!(fx.events.contains(&Event::Refreshed(RefreshResult::Transient, 1)));
    assert_eq!((bench.health(), bench.view().spec.status), (80, AccountStatus::Active));
    let rested = bench.now.plus(5 * MINUTE);
    while bench.sleep_until_due().calls.is_empty() {}
    assert_eq!(bench.now, rested);
}

#[test]
fn a_token_about_to_end_makes_questions_wait_for_the_next_one() {
    let mut bench = with_time_left(MINUTE);
    let ask = bench.ask();
    let fx = bench.state.on_acquire(bench.now, &bench.settings, ask);
    assert!(fx.decided.is_empty());
    let ask = bench.ask();
    let second = bench.state.on_acquire(bench.now, &bench.settings, ask);
    assert!(second.decided.is_empty() && second.calls.is_empty());
    let fx = nothing_new(&mut bench, &fx);
    let fx = exchanged(&mut bench, &fx, Ok(oauth(2, START.plus(8 * HOUR))));
    let versions: Vec<_> = fx.decided.iter().map(|d| d.grant.as_ref().map(|(_, c)| c.version)).collect();
    assert_eq!(versions, [Some(2), Some(2)]);
}

#[test]
fn nobody_waits_longer_than_ten_seconds_and_the_late_token_is_taken_all_the_same() {
    let mut bench = with_time_left(-1);
    let ask = bench.ask();
    let fx = bench.state.on_acquire(bench.now, &bench.settings, ask);
    let (_, mut answer) = refused(&mut bench, 1);
    let fx = nothing_new(&mut bench, &fx);
    let late = bench.sleep_until_due();
    assert_eq!(bench.now.since(START), 10 * SECOND);
    assert!(late.decided[0].grant.is_none());
    assert!(matches!(answer.try_recv().unwrap(), Err(RefreshError::Transient(_))));
    assert_eq!(bench.view().credential, CredentialState::Refreshing);
    exchanged(&mut bench, &fx, Ok(oauth(2, START.plus(8 * HOUR))));
    assert!(bench.grant().is_some());
}

#[test]
fn a_result_for_an_earlier_life_of_the_actor_is_taken() {
    let mut bench = with_time_left(HOUR);
    let done = Exchanged { generation: 99, result: Ok(oauth(2, START.plus(8 * HOUR))) };
    bench.state.on_exchanged(bench.now, &bench.settings, done);
    assert_eq!(bench.state.cell().last_known.borrow().credential.as_ref().unwrap().version, 2);
}

#[test]
fn an_exchange_of_an_earlier_life_keeps_a_second_one_from_starting() {
    let mut bench = with_time_left(HOUR);
    bench.state.cell().exchanging.set(true);
    let (fx, mut answer) = refused(&mut bench, 1);
    assert!(fx.calls.is_empty());
    bench.state.cell().exchanging.set(false);
    let done = Exchanged { generation: 99, result: Ok(oauth(2, START.plus(8 * HOUR))) };
    bench.state.on_exchanged(bench.now, &bench.settings, done);
    assert_eq!(answer.try_recv().unwrap().unwrap().version, 2);
}

#[test]
fn unreadable_storage_does_not_stop_a_refresh_but_no_account_is_condemned_by_it() {
    let mut bench = with_time_left(HOUR);
    let (fx, mut answer) = refused(&mut bench, 1);
    let unreadable = |bench: &mut Bench, fx: &Effects| {
        let [Call::Load(generation)] = fx.calls[..] else { panic!("{:?}", fx.calls) };
        let result = Err(PortError("down".to_owned()));
        bench.state.on_loaded(bench.now, &bench.settings, Loaded { generation, result })
    };
    let fx = unreadable(&mut bench, &fx);
    let fx = exchanged(&mut bench, &fx, permanent());
    unreadable(&mut bench, &fx);
    assert!(matches!(answer.try_recv().unwrap(), Err(RefreshError::Transient(_))));
    assert_eq!(bench.view().spec.status, AccountStatus::Active);
}

#[test]
fn thirty_days_of_idleness_never_let_the_token_end() {
    let mut bench = with_time_left(8 * HOUR);
    let (end, mut version) = (START.plus(30 * DAY), 1);
    let mut leads = Vec::new();
    while bench.now < end {
        let fx = bench.sleep_until_due();
        if fx.calls.is_empty() {
            continue;
        }
        let ends = bench.view().token_expires_at.unwrap();
        leads.push(ends.since(bench.now));
        let fx = nothing_new(&mut bench, &fx);
        version += 1;
        let next = oauth(version, bench.now.plus(8 * HOUR));
        exchanged(&mut bench, &fx, Ok(next));
    }
    assert!(leads.iter().all(|lead| (24 * MINUTE..=36 * MINUTE).contains(lead)), "{leads:?}");
    assert!((94..=98).contains(&leads.len()), "one exchange per token: {}", leads.len());
}

#[test]
fn accounts_that_cannot_be_refreshed_are_left_alone() {
    let mut bench = Bench::keyed();
    let (fx, mut answer) = refused(&mut bench, 1);
    assert!(fx.calls.is_empty());
    assert!(matches!(answer.try_recv().unwrap(), Err(RefreshError::Permanent(_))));
    assert_eq!(Bench::keyed().state.next_due(START, &bench.settings), Timestamp(i64::MAX));
}
