//! Usage counters: each event once, begun and repaired from SQL.

use std::sync::Mutex;

use actors::domain::id::{AccountId, AttemptId, KeyId, RequestId, UserId};
use actors::domain::money::Nanos;
use actors::domain::settings::Zone;
use actors::domain::time::HOUR;
use actors::domain::usage::{AttemptRow, Cost, RequestRow, RequestStatus, Tokens, Usage, UsageEvent};
use quotalane::cache::counters::{Counts, Scope, day, month};

use crate::{NOW, TestCache, each_cache};

const UTC: Zone = Zone(chrono_tz::Tz::UTC);

fn event(test: &TestCache, number: u32) -> UsageEvent {
    let request = RequestId((u128::try_from(test.id).unwrap() << 32) + u128::from(number));
    let tokens =
        Tokens { input: 10, cache_read: 2, cache_w5m: 3, cache_w1h: 4, output: 20, reasoning: 5, web_search: 0 };
    let usage = Usage { tokens, ..Usage::default() };
    let attempt = AttemptRow {
        attempt: AttemptId { request, number: 1 },
        account: AccountId(test.id),
        model_upstream: "claude-opus-5".to_owned(),
        upstream_request_id: None,
        started_at: NOW,
        http_status: Some(200),
        verdict: "ok".to_owned(),
        switched: false,
        usage: Some(usage.clone()),
        upstream_cost: Nanos(500),
        ttfb_ms: None,
        ttft_ms: None,
        total_ms: 10,
        bytes: 1,
    };
    let row = RequestRow {
        request,
        started_at: NOW,
        ended_at: NOW.plus(10),
        user: UserId(test.id),
        key: KeyId(test.id),
        dialect: "anthropic".to_owned(),
        route: "/v1/messages".to_owned(),
        client: None,
        client_request_id: None,
        session: None,
        model: "claude-opus-5".to_owned(),
        model_upstream: None,
        account: Some(AccountId(test.id)),
        kind: None,
        stream: false,
        status: RequestStatus::Ok,
        http_status: 200,
        error: None,
        attempts: 1,
        usage,
        cost: Cost { list: Nanos(1_000), charge: Nanos(800), upstream: Nanos(500) },
        price: None,
        eff_ppm: 800_000,
        flags: Vec::new(),
        windows: Vec::new(),
        funds: None,
        queue_ms: 0,
        ttfb_ms: None,
        ttft_ms: None,
        total_ms: 10,
        bytes_in: 1,
        bytes_out: 1,
        ip: None,
    };
    UsageEvent::Request(Box::new(row), Some(Box::new(attempt)))
}

fn scopes(id: i64) -> Vec<Scope> {
    let (user, key, account) = (UserId(id), KeyId(id), AccountId(id));
    vec![
        Scope::User(user),
        Scope::UserDay(user, day(UTC, NOW)),
        Scope::UserMonth(user, month(UTC, NOW)),
        Scope::UserModel(user, "claude-opus-5".to_owned()),
        Scope::Key(user, key),
        Scope::KeyDay(user, key, day(UTC, NOW)),
        Scope::KeyMonth(user, key, month(UTC, NOW)),
        Scope::Account(account),
        Scope::AccountDay(account, day(UTC, NOW)),
    ]
}

/// Recounts until nothing of this test is dirty; scopes of other tests, which share the Redis, go back untouched.
async fn recount(test: &TestCache, value: Counts) -> Vec<Scope> {
    let ours = scopes(test.id);
    let seen = Mutex::new(Vec::new());
    let source = async |scope: Scope| {
        if !ours.contains(&scope) {
            return Err(());
        }
        seen.lock().unwrap().push(scope);
        Ok(value)
    };
    test.cache.recount(100_000, source).await.unwrap();
    let mut seen = seen.into_inner().unwrap();
    seen.sort();
    seen
}

#[tokio::test]
async fn counters_begin_in_sql_and_then_count_each_event_once() {
    each_cache(|test| async move {
        let cache = &test.cache;
        cache.count(&[event(&test, 1)], UTC, NOW).await.unwrap();
        for scope in scopes(test.id) {
            assert_eq!(cache.counts(&scope).await.unwrap(), None, "{scope:?} may have been lost, so SQL is asked");
        }
        let begun = Counts { requests: 41, total_cost: i64::MAX - 10_000, ..Counts::default() };
        let mut expected = scopes(test.id);
        expected.sort();
        assert_eq!(recount(&test, begun).await, expected);
        assert!(recount(&test, begun).await.is_empty(), "clean once recounted");

        let events = [event(&test, 2), event(&test, 3), event(&test, 2)];
        cache.count(&events, UTC, NOW).await.unwrap();
        cache.count(&events, UTC, NOW).await.unwrap();
        let user = cache.counts(&Scope::User(UserId(test.id))).await.unwrap().unwrap();
        let expected = Counts {
            requests: 43,
            errors: 0,
            input_tokens: 20,
            output_tokens: 40,
            cache_creation_input_tokens: 14,
            cache_creation_1h_input_tokens: 8,
            cache_read_input_tokens: 4,
            reasoning_tokens: 10,
            total_tokens: 78,
            list_cost: 2_000,
            total_cost: i64::MAX - 10_000 + 1_600,
        };
        assert_eq!(user, expected, "large amounts keep every digit");
        let account = cache.counts(&Scope::Account(AccountId(test.id))).await.unwrap().unwrap();
        assert_eq!((account.requests, account.total_cost), (43, i64::MAX - 10_000 + 1_000));
    })
    .await;
}

#[tokio::test]
async fn late_events_are_recounted_instead_of_added() {
    each_cache(|test| async move {
        let cache = &test.cache;
        let scope = Scope::Key(UserId(test.id), KeyId(test.id));
        cache.replace(&scope, &Counts { requests: 7, ..Counts::default() }).await.unwrap();
        cache.count(&[event(&test, 1)], UTC, NOW.plus(HOUR + 20)).await.unwrap();
        assert_eq!(cache.counts(&scope).await.unwrap().unwrap().requests, 7);
        assert!(recount(&test, Counts { requests: 8, ..Counts::default() }).await.contains(&scope));
        assert_eq!(cache.counts(&scope).await.unwrap().unwrap().requests, 8);
    })
    .await;
}

#[tokio::test]
async fn a_scope_that_cannot_be_recounted_stays_dirty() {
    each_cache(|test| async move {
        let scope = Scope::User(UserId(test.id));
        test.cache.mark_dirty(&scope).await.unwrap();
        test.cache.recount(100_000, async |_| Err::<Counts, ()>(())).await.unwrap();
        assert_eq!(recount(&test, Counts::default()).await, [scope]);
    })
    .await;
}

#[tokio::test]
async fn a_large_batch_counts_whole() {
    each_cache(|test| async move {
        let scope = Scope::UserDay(UserId(test.id), day(UTC, NOW));
        test.cache.replace(&scope, &Counts::default()).await.unwrap();
        let events: Vec<UsageEvent> = (0..500).map(|n| event(&test, n)).collect();
        test.cache.count(&events, UTC, NOW).await.unwrap();
        assert_eq!(test.cache.counts(&scope).await.unwrap().unwrap().requests, 500);
    })
    .await;
}
