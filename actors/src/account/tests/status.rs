//! Verdicts that change the stored status, its way to storage, and the way back.

use std::sync::Arc;

use super::Bench;
use crate::account::effects::{Call, Effects};
use crate::account::messages::{Probed, StatusSaved, Tested};
use crate::domain::account::{AccountKind, AccountSpec, AccountStatus};
use crate::domain::time::{HOUR, MINUTE, SECOND};
use crate::domain::verdict::{AttemptReport, Judgement, Verdict};
use crate::ports::{PortError, StoredAccount};
use crate::testing::{api_key, oauth, oauth_account, report, spec};

fn saved(fx: &Effects) -> (u64, AccountStatus, Option<String>) {
    let [Call::SaveStatus(generation, status, reason)] = &fx.calls[..] else { panic!("{:?}", fx.calls) };
    (*generation, *status, reason.clone())
}

/// Waits for the account's own test and gives the vendor's answer.
fn own_test(bench: &mut Bench, result: Result<bool, PortError>) -> Effects {
    let mut fx = bench.sleep_until_due();
    while fx.calls.is_empty() {
        fx = bench.sleep_until_due();
    }
    let [Call::Probe(generation, _)] = fx.calls[..] else { panic!("{:?}", fx.calls) };
    bench.state.on_probed(bench.now, &bench.settings, &Probed { generation, result })
}

#[test]
fn a_refused_key_is_an_error_and_is_tested_again_after_a_minute_then_every_half_hour() {
    let mut bench = Bench::keyed();
    let fx = bench.attempt(Judgement::of(Verdict::AuthInvalid));
    let (_, status, reason) = saved(&fx);
    assert_eq!((status, reason.as_deref()), (AccountStatus::Error, Some("unauthorized")));
    assert_eq!((bench.health(), bench.grant()), (80, None));

    let start = bench.now;
    for (after, accepted) in
        [(60 * SECOND, false), (60 * SECOND + 30 * MINUTE, false), (60 * SECOND + 60 * MINUTE, true)]
    {
        own_test(&mut bench, Ok(accepted));
        assert_eq!(bench.now.since(start), after);
    }
    let view = bench.view();
    assert_eq!((view.spec.status, view.spec.status_reason.clone(), view.health), (AccountStatus::Active, None, 100));
    assert!(bench.grant().is_some());
}

#[test]
fn a_key_that_was_replaced_meanwhile_is_not_blamed() {
    let mut bench = Bench::keyed();
    let lease = bench.force();
    let replaced = crate::domain::credential::Credential { version: 2, ..(*api_key()).clone() };
    let stored =
        StoredAccount { spec: Arc::new(AccountSpec { version: 2, ..spec(7) }), credential: Some(Arc::new(replaced)) };
    bench.state.on_reload(bench.now, &bench.settings, stored);
    let old = report(Verdict::AuthInvalid, bench.now, bench.now);
    let fx = bench.end(lease, old);
    assert!(fx.calls.is_empty());
    assert_eq!(bench.view().spec.status, AccountStatus::Active);
}

#[test]
fn a_blocked_account_comes_back_only_by_its_row() {
    let mut bench = Bench::keyed();
    let fx = bench.attempt(Judgement::of(Verdict::Blocked));
    assert_eq!(saved(&fx).1, AccountStatus::Blocked);
    bench.state.on_tested(bench.now, &bench.settings, &Tested { ok: true });
    assert_eq!(bench.view().spec.status, AccountStatus::Blocked);
    bench.state.on_status_saved(bench.now, &StatusSaved { generation: saved(&fx).0, result: Ok(()) });
    let stored = StoredAccount { spec: Arc::new(AccountSpec { version: 2, ..spec(7) }), credential: Some(api_key()) };
    bench.state.on_reload(bench.now, &bench.settings, stored);
    assert!(bench.grant().is_some());
}

#[test]
fn three_forbidden_within_three_hours_are_an_error() {
    let mut bench = Bench::keyed();
    bench.attempts(&[Verdict::Forbidden; 2]);
    bench.wait(181 * MINUTE);
    bench.attempts(&[Verdict::Forbidden; 2]);
    assert_eq!(bench.view().spec.status, AccountStatus::Active);
    bench.wait(HOUR);
    let fx = bench.attempt(Judgement::of(Verdict::Forbidden));
    assert_eq!(saved(&fx).2.as_deref(), Some("forbidden"));
}

#[test]
fn a_status_is_written_until_storage_has_it_and_no_older_row_undoes_it() {
    let mut bench = Bench::keyed();
    let fx = bench.attempt(Judgement::of(Verdict::Blocked));
    let generation = saved(&fx).0;
    let result = Err(PortError("down".to_owned()));
    bench.state.on_status_saved(bench.now, &StatusSaved { generation, result });
    let stale = StoredAccount { spec: Arc::new(spec(7)), credential: Some(api_key()) };
    bench.state.on_reload(bench.now, &bench.settings, stale);
    assert_eq!(bench.view().spec.status, AccountStatus::Blocked);
    let again = bench.sleep_until_due();
    assert_eq!(saved(&again).1, AccountStatus::Blocked);
    bench.state.on_status_saved(bench.now, &StatusSaved { generation: saved(&again).0, result: Ok(()) });
    assert!(bench.state.next_due(bench.now, &bench.settings) > bench.now.plus(HOUR));
}

#[test]
fn a_new_account_becomes_active_by_its_first_test() {
    let mut bench = Bench::of(AccountSpec { status: AccountStatus::Created, ..spec(7) }, api_key());
    assert_eq!(bench.grant(), None);
    let fx = bench.state.on_tested(bench.now, &bench.settings, &Tested { ok: true });
    assert_eq!(saved(&fx).1, AccountStatus::Active);
    assert!(bench.grant().is_some());
}

#[test]
fn a_new_account_is_tested_every_15_seconds_until_the_vendor_answers() {
    let silence = || Err(PortError("connect".to_owned()));
    for (accepted, status) in [(true, AccountStatus::Active), (false, AccountStatus::Error)] {
        let mut bench = Bench::of(AccountSpec { status: AccountStatus::Created, ..spec(7) }, api_key());
        let start = bench.now;
        for test in 1..=3 {
            own_test(&mut bench, silence());
            assert_eq!((bench.now.since(start), bench.grant()), (test * 15 * SECOND, None));
        }
        let fx = own_test(&mut bench, Ok(accepted));
        assert_eq!((bench.now.since(start), saved(&fx).1), (MINUTE, status));
        assert_eq!(bench.grant().is_some(), accepted);
    }
    let ccr = AccountSpec { kind: AccountKind::Ccr, status: AccountStatus::Created, ..spec(7) };
    assert_eq!(Bench::of(ccr, api_key()).state.retest_at, None, "no call to it is free");
}

#[test]
fn an_oauth_token_refused_twice_is_an_error() {
    let mut bench = Bench::of(oauth_account(7), oauth(5, crate::testing::START.plus(HOUR)));
    let refused = |bench: &Bench, credential_version| AttemptReport {
        credential_version,
        ..report(Verdict::AuthExpired, bench.now, bench.now)
    };
    let (lease, old) = (bench.force(), refused(&bench, 4));
    assert!(bench.end(lease, old).calls.is_empty(), "an older token says nothing");
    assert!(bench.grant().is_some());

    // A worker whose token 4 was refused is given 5; refused again, it is an error.
    let (reply, mut answer) = tokio::sync::oneshot::channel();
    let ask = crate::account::messages::NewerCredential { seen_version: 4, reply };
    bench.state.on_newer_credential(bench.now, &bench.settings, ask);
    assert_eq!(answer.try_recv().unwrap().unwrap().version, 5);
    let (lease, new) = (bench.force(), refused(&bench, 5));
    let fx = bench.end(lease, new);
    assert_eq!(saved(&fx).2.as_deref(), Some("unauthorized"));
    assert_eq!(bench.health(), 100);
}
