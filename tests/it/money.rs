//! What requests cost, and limits in money: reserved before, settled after, never beyond.

use actors::domain::key::CostWindow;
use actors::domain::money::Nanos;
use serde_json::json;

use crate::support::app::{MODEL, ask, ask_model, spawn_app};

/// Nanos of a cent.
const CENT: i64 = 10_000_000;

#[actix_rt::test]
async fn an_exhausted_limit_answers_402_and_says_until_when() {
    for (window, word, resets) in [
        (CostWindow::Day, "daily_cost_limit_exceeded", true),
        (CostWindow::Month, "monthly_cost_limit_exceeded", true),
        (CostWindow::Week, "weekly_cost_limit_exceeded", true),
        (CostWindow::FiveHour, "five_hour_cost_limit_exceeded", true),
        (CostWindow::Total, "total_cost_limit_exceeded", false),
    ] {
        let app = spawn_app().await;
        app.account("a", |_| {}).await;
        // An estimate of 64 output tokens and a short prompt is about 0.1 cent.
        let key = app.key(|k| k.cost_limits = vec![(window, Nanos(CENT))]).await;
        let mut served = 0;
        let refused = loop {
            let answer = app.messages(&key, &ask(served % 2 == 0)).await;
            app.quiet().await;
            if answer.status != 200 {
                break answer;
            }
            served += 1;
            assert!(served < 100, "{word}: the limit never bites");
        };
        refused.expect_error(402, "billing_error", word);
        let error = &refused.json()["error"];
        assert_eq!((error["code"].as_str(), error["reset_at"].is_string()), (Some(word), resets), "{}", refused.text());
        assert_eq!((refused.should_retry(), refused.header("retry-after")), (Some("false"), None));
        let spent: i64 = app.rows().await.iter().map(|row| row.cost.charge.0).sum();
        assert!(served >= 2 && spent <= CENT, "{spent} of {CENT} in {served}");
        app.finish().await;
    }
}

#[actix_rt::test]
async fn twenty_at_once_on_a_limit_for_ten_are_ten() {
    let app = spawn_app().await;
    app.account("a", |a| a.max_concurrency = 0).await;
    app.mock.script(json!({"delay_ms": 20, "events": 15})).await;
    let mut body = ask(true);
    body["messages"][0]["content"] = json!("x");
    // What one request reserves: an estimated prompt and 64 tokens of output, by list.
    let input = (body.to_string().len() as f64 / 3.2).ceil() as i64;
    let hold = input * 3_000 + 64 * 15_000;
    let key = app.key(|k| k.cost_limits = vec![(CostWindow::Day, Nanos(hold * 10 + hold / 2))]).await;
    let answers = futures_util::future::join_all((0..20).map(|_| app.messages(&key, &body))).await;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    let refused = answers.iter().filter(|answer| answer.status == 402).count();
    assert!(served + refused == 20 && (9..=11).contains(&served), "{served} served, {refused} refused");
    app.finish().await;
}

#[actix_rt::test]
async fn an_unpriced_model_is_refused_or_free_as_the_setting_says() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    let refused = app.messages(&key, &ask_model("nobody-knows-9", false)).await;
    refused.expect_error(400, "invalid_request_error", "model_not_priced");
    assert!(app.mock.messages().await.is_empty());
    app.set(json!({"billing.unknown_model": "free"})).await;
    let free = app.messages(&key, &ask_model("nobody-knows-9", false)).await;
    assert_eq!(free.status, 200, "{}", free.text());
    let (row, _) = app.row(&free).await;
    assert_eq!((row.cost.charge.0, row.flags, row.price), (0, vec!["unpriced".to_owned()], None));
    app.finish().await;
}

#[actix_rt::test]
async fn multipliers_change_the_charge_and_nothing_else() {
    let app = spawn_app().await;
    app.account("a", |a| a.cost_ppm = 500_000).await;
    let key = app.key(|k| k.price_rate_ppm = 2_000_000).await;
    app.set(json!({"billing.global_rate_ppm": 1_500_000, "billing.service_rate_ppm.claude": 500_000})).await;
    let answer = app.messages(&key, &ask(false)).await;
    let (row, attempts) = app.row(&answer).await;
    assert_eq!(row.eff_ppm, 1_500_000);
    assert_eq!(row.cost.charge.0, (row.cost.list.0 * 3 + 1) / 2);
    assert_eq!(attempts[0].upstream_cost.0, (row.cost.list.0 + 1) / 2);
    assert_eq!(answer.json()["usage"]["output_tokens"], row.usage.tokens.output);
    let free = app.key(|k| k.price_rate_ppm = 0).await;
    let answer = app.messages(&free, &ask_model(MODEL, true)).await;
    assert_eq!(app.row(&answer).await.0.cost.charge.0, 0);
    app.finish().await;
}

#[actix_rt::test]
async fn what_failed_costs_the_client_nothing() {
    let app = spawn_app().await;
    app.account("bad", |a| a.priority = 60).await;
    app.account("good", |_| {}).await;
    let key = app.key(|k| k.cost_limits = vec![(CostWindow::Total, Nanos(100 * CENT))]).await;
    app.mock.break_account("sk-ant-bad", json!({"kind": "error_event", "after_events": 1})).await;
    let answer = app.messages(&key, &ask(true)).await;
    let (row, attempts) = app.row(&answer).await;
    let tokens = attempts[1].usage.as_ref().unwrap().tokens;
    assert_eq!((attempts.len(), row.usage.tokens), (2, tokens), "only the answer is charged");
    app.mock.heal().await;
    app.mock.fault(json!({"fault": {"kind": "status", "status": 500}})).await;
    let failed = app.messages(&key, &ask(false)).await;
    assert_eq!(failed.status, 502, "{}", failed.text());
    assert_eq!(app.row(&failed).await.0.cost.charge.0, 0);
    let used = app.app().engine.billing.limits(key.id).await.unwrap();
    let total = used.windows.iter().find(|window| window.window == CostWindow::Total).unwrap();
    assert_eq!((total.used, total.held), (row.cost.charge, Nanos::ZERO));
    app.finish().await;
}
