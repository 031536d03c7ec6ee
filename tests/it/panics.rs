//! Account actors panic under load: they come back, nothing is lost, the others never notice.

use futures_util::future::{join, join_all};

use crate::support::app::{ask, message_call, spawn_app};
use crate::support::until;

#[actix_rt::test]
async fn ten_panics_of_an_account_actor_under_load_lose_nothing() {
    let app = spawn_app().await;
    let victim = app.account("victim", |_| {}).await;
    let other = app.account("other", |_| {}).await;
    let key = app.key(|_| {}).await;
    app.mock.script(serde_json::json!({"delay_ms": 2, "events": 5})).await;
    let over = std::cell::Cell::new(false);
    let load = async {
        let mut statuses = Vec::new();
        while !over.get() {
            let bodies: Vec<_> = (0..4).map(|n| ask(n % 2 == 0)).collect();
            let answers = join_all(bodies.iter().map(|body| app.messages(&key, body))).await;
            statuses.extend(answers.into_iter().map(|answer| (answer.status, answer.text())));
        }
        statuses
    };
    let panics = async {
        for number in 1..=10 {
            until("the victim serves", async || app.detail_if_up(victim).await.is_some_and(|d| !d.leases.is_empty()))
                .await;
            assert!(app.app().engine.accounts.panic_now(victim));
            until("it is rebuilt", async || app.detail_if_up(victim).await.is_some_and(|d| d.restarts >= number)).await;
        }
        over.set(true);
    };
    let (statuses, ()) = join(load, panics).await;
    let failed: Vec<_> = statuses.iter().filter(|(status, _)| *status != 200).collect();
    assert!(failed.is_empty(), "{} of {} failed: {:?}", failed.len(), statuses.len(), failed[0]);
    assert_eq!((app.detail(victim).await.restarts, app.detail(other).await.restarts), (10, 0));
    app.quiet().await;
    assert_eq!(app.rows().await.len(), statuses.len());
    assert!(app.mock.calls_of("sk-ant-victim").await >= 10);
    app.finish().await;
}

#[actix_rt::test]
async fn a_stream_outlives_the_actor_of_its_account() {
    let app = spawn_app().await;
    let id = app.account("a", |a| a.max_concurrency = 1).await;
    let key = app.key(|_| {}).await;
    app.mock.script(serde_json::json!({"delay_ms": 10, "events": 20})).await;
    let mut open = message_call(&key, &ask(true)).open(app.addr()).await;
    assert!(open.until("content_block_delta").await);
    assert!(app.app().engine.accounts.panic_now(id));
    assert!(open.until("message_stop").await);
    until("the actor is back", async || app.app().engine.accounts.detail(id).await.is_some()).await;
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    app.finish().await;
}
