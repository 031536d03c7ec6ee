//! Money over HTTP: what users buy, what administrators give, and who may see and do what.

use quotalane::store::users::Role;
use serde_json::{Value, json};

use crate::support::{TestApp, with_app};

fn plan(code: &str, rank: i64, cents: i64) -> Value {
    json!({
        "code": code, "rank": rank, "name": {"en": code, "zh": code},
        "terms": {
            "price_minor": cents, "period": {"unit": "month", "count": 1}, "upgrade_mode": "keep_cycle",
            "included": [{"unit": "usd_nanos", "amount": 50_000_000_000_i64, "model_scope": ["claude*"]}],
        },
    })
}

async fn fund(app: &TestApp, owner: &str, user: i64, amount: &str) {
    let body = json!({"amount": {"amount": amount}, "reason": "welcome"});
    app.post_once(&format!("/wallets/{user}/adjust"), owner, "first", body).await.data();
}

#[test]
fn a_user_buys_changes_and_cancels_a_plan() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let (id, ada) = app.session("ada", Role::User).await;
        let basic = app.post("/plans", &owner, plan("basic", 1, 999)).await.data();
        let plus = app.post("/plans", &owner, plan("plus", 2, 2_999)).await.data();
        assert_eq!((&basic["price"]["amount"], &basic["terms_version"]), (&json!("9.99"), &json!(1)));
        assert_eq!(app.get("/plans", &ada).await.data().as_array().unwrap().len(), 2);
        fund(&app, &owner, id.0, "50.00").await;

        let order = app.post_once("/subscriptions", &ada, "s1", json!({"plan_id": basic["id"]})).await.data();
        assert_eq!((&order["status"], &order["simple_status"]), (&json!("pending"), &json!("pending")));
        let same = app.post_once("/subscriptions", &ada, "s1", json!({"plan_id": basic["id"]})).await.data();
        assert_eq!(order["order_no"], same["order_no"]);
        let other = app.post_once("/subscriptions", &ada, "s1", json!({"plan_id": plus["id"]})).await;
        assert_eq!(other.failure(), (422, "IDEMPOTENCY_KEY_REUSED".to_owned()));
        let pay = format!("/orders/{}/pay", order["order_no"].as_str().unwrap());
        assert_eq!(app.post(&pay, &ada, json!({})).await.data()["status"], "fulfilled");
        assert_eq!(app.get("/wallet", &ada).await.data()["available"]["amount"], "40.01");
        let again = app.post("/subscriptions", &ada, json!({"plan_id": plus["id"]})).await;
        assert_eq!(again.failure(), (409, "ALREADY_SUBSCRIBED".to_owned()));

        let mine = app.get("/subscriptions/current", &ada).await.data();
        let asked = json!({"subscription_id": mine["id"], "plan_id": plus["id"]});
        let quote = app.post("/quotes", &ada, asked).await.data();
        assert_eq!((&quote["begins"], &quote["quote"]["charge"]["currency"]), (&json!("now"), &json!("USD")));
        let path = format!("/subscriptions/{}", mine["id"]);
        let token = json!({"quote_token": quote["quote"]["quote_token"]});
        let changed = app.post(&format!("{path}/change"), &ada, token.clone()).await.data();
        let pay = format!("/orders/{}/pay", changed["order"]["order_no"].as_str().unwrap());
        app.post(&pay, &ada, json!({})).await.data();
        assert_eq!(app.get("/subscriptions/current", &ada).await.data()["plan_id"], plus["id"]);
        let stale = app.post(&format!("{path}/change"), &ada, token).await;
        assert_eq!(stale.failure(), (409, "QUOTE_STALE".to_owned()));
        let lesser = app.post(&format!("{path}/change"), &ada, json!({"plan_id": basic["id"]})).await.data();
        assert_eq!(lesser["subscription"]["scheduled_plan_id"], basic["id"]);

        assert_eq!(app.api("DELETE", "/subscriptions/current", &ada, None).await.data()["cancel_at_period_end"], true);
        assert_eq!(app.post(&format!("{path}/resume"), &ada, json!({})).await.data()["cancel_at_period_end"], false);
        let off = app.api("PUT", &format!("{path}/auto-renew"), &ada, Some(json!({"auto_renew": false}))).await;
        assert_eq!(off.data()["auto_renew"], false);
        assert_eq!(app.get("/invoices", &ada).await.data()["items"].as_array().unwrap().len(), 2);
        assert_eq!(app.get("/invoices", &ada).await.data()["items"][1]["number"].as_str().unwrap().len(), 15);
        assert_eq!(app.get("/ledger/verify", &owner).await.data()["discrepancies"], json!([]));
    });
}

#[test]
fn nobody_sees_or_changes_what_is_anothers() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let (id, ada) = app.session("ada", Role::User).await;
        let (_, eve) = app.session("eve", Role::User).await;
        let (_, looker) = app.session("looker", Role::Auditor).await;
        fund(&app, &owner, id.0, "50.00").await;
        let basic = app.post("/plans", &owner, plan("basic", 1, 999)).await.data();
        let order = app.post("/subscriptions", &ada, json!({"plan_id": basic["id"]})).await.data();
        let order_no = order["order_no"].as_str().unwrap();
        let subscription = &order["subscription_id"];
        for path in [format!("/orders/{order_no}"), format!("/wallet?user_id={id}"), format!("/ledger?user_id={id}")] {
            assert_eq!(app.get(&path, &eve).await.status, 404, "{path}");
            assert_eq!(app.get(&path, &looker).await.status, 200, "{path}");
        }
        for path in [format!("/orders/{order_no}/pay"), format!("/orders/{order_no}/cancel")] {
            assert_eq!(app.post(&path, &eve, json!({})).await.status, 404, "{path}");
            // An auditor reads everything and changes nothing that is another's.
            assert_eq!(app.post(&path, &looker, json!({})).await.status, 404, "{path}");
        }
        for act in ["cancel", "resume", "renew"] {
            assert_eq!(app.post(&format!("/subscriptions/{subscription}/{act}"), &eve, json!({})).await.status, 404);
        }
        let asked = json!({"subscription_id": subscription, "plan_id": basic["id"]});
        assert_eq!(app.post("/quotes", &eve, asked).await.status, 404);
        assert_eq!(app.get("/orders", &eve).await.data()["items"], json!([]));
        assert_eq!(app.get("/orders", &looker).await.data()["items"].as_array().unwrap().len(), 1);
        assert_eq!(app.post(&format!("/orders/{order_no}/mark-paid"), &ada, json!({"proof": "x"})).await.status, 403);
    });
}

#[test]
fn administrators_give_pause_and_take_back_and_all_of_it_is_audited() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let (id, ada) = app.session("ada", Role::User).await;
        let path = format!("/wallets/{id}/adjust");
        let body = json!({"amount": {"amount": "5.00"}, "reason": "goodwill"});
        assert_eq!(app.post(&path, &owner, body.clone()).await.failure(), (400, "IDEMPOTENCY_KEY_MISSING".to_owned()));
        for _ in 0..2 {
            app.post_once(&path, &owner, "k1", body.clone()).await.data();
        }
        let reused = app.post_once(&path, &owner, "k1", json!({"amount": {"amount": "6.00"}, "reason": "more"})).await;
        assert_eq!(reused.failure(), (422, "IDEMPOTENCY_KEY_REUSED".to_owned()));
        let much = app.post_once(&path, &owner, "k2", json!({"amount": {"amount": "-6.00"}, "reason": "back"})).await;
        assert_eq!(much.failure(), (402, "INSUFFICIENT_FUNDS".to_owned()));
        assert_eq!(app.get("/wallet", &ada).await.data()["posted"]["amount"], "5.00");
        let (path, limit) = (format!("/wallets/{id}/overdraft"), json!({"limit": {"amount": "2.00"}}));
        let overdraft = app.api("PUT", &path, &owner, Some(limit)).await;
        assert_eq!(overdraft.data()["overdraft_limit"]["amount"], "2.00");
        let gift = json!({"user_id": id, "kind": "promo", "unit": "tokens", "amount": 1000, "reason": "welcome"});
        assert_eq!(app.post_once("/buckets", &owner, "g", gift).await.data()["available"], "1000");
        assert_eq!(app.get("/buckets?kind=promo", &ada).await.data()["items"].as_array().unwrap().len(), 1);

        let code = json!({"code": "spring", "expires_at": "2100-01-01T00:00:00Z", "terms": {"kind": "percent_bps", "value": 5000}});
        let code = app.post("/discount-codes", &owner, code).await.data();
        assert_eq!((&code["code"], &code["expires_at"]), (&json!("SPRING"), &json!("2100-01-01T00:00:00.000Z")));
        let basic = app.post("/plans", &owner, plan("basic", 1, 1_000)).await.data();
        let valid = json!({"code": "Spring", "plan_id": basic["id"]});
        assert_eq!(app.post("/discount-codes/validate", &ada, valid).await.data()["pay"]["amount"], "5.00");
        let order =
            app.post("/subscriptions", &ada, json!({"plan_id": basic["id"], "discount_code": "spring"})).await.data();
        let pay = format!("/orders/{}/pay", order["order_no"].as_str().unwrap());
        app.post(&pay, &ada, json!({})).await.data();
        let path = format!("/subscriptions/{}", order["subscription_id"]);
        assert_eq!(app.post(&format!("{path}/pause"), &owner, json!({})).await.data()["status"], "paused");
        assert_eq!(app.post(&format!("{path}/resume"), &ada, json!({})).await.status, 403);
        assert_eq!(app.post(&format!("{path}/resume"), &owner, json!({})).await.data()["status"], "active");
        app.post(&format!("{path}/extend"), &owner, json!({"days": 3})).await.data();
        assert_eq!(app.post(&format!("{path}/revoke"), &owner, json!({})).await.data()["status"], "cancelled");
        let (path, off) =
            (format!("/discount-codes/{}", code["id"]), json!({"active": false, "version": code["version"]}));
        assert_eq!(app.patch(&path, &owner, off.clone()).await.data()["redeemed"], 1);
        assert_eq!(app.patch(&path, &owner, off).await.failure(), (409, "VERSION_CONFLICT".to_owned()));
        app.post(&format!("/plans/{}/archive", basic["id"]), &owner, json!({})).await.data();
        let gone = app.post("/subscriptions", &ada, json!({"plan_id": basic["id"]})).await;
        assert_eq!(gone.failure(), (422, "PLAN_NOT_SELLABLE".to_owned()));

        let top_up =
            app.post_once("/orders", &ada, "t", json!({"pay": {"amount": "15.00", "currency": "USD"}})).await.data();
        let paid = format!("/orders/{}/mark-paid", top_up["order_no"].as_str().unwrap());
        assert_eq!(app.post(&paid, &owner, json!({"proof": "transfer 7"})).await.data()["simple_status"], "paid");
        assert_eq!(app.get("/wallet", &ada).await.data()["posted"]["amount"], "15.00");
        for action in [
            "wallet_adjusted",
            "overdraft_set",
            "bucket_granted",
            "plan_created",
            "plan_archived",
            "discount_created",
            "subscription_ordered",
            "order_paid",
            "subscription_paused",
            "subscription_resumed",
            "subscription_extended",
            "subscription_revoked",
            "credit_ordered",
            "order_marked_paid",
        ] {
            let rows = app.get(&format!("/audit-logs?action={action}"), &owner).await.data();
            assert!(!rows["items"].as_array().unwrap().is_empty(), "{action}");
        }
        assert_eq!(app.get("/ledger/verify", &owner).await.data()["discrepancies"], json!([]));
    });
}

#[test]
fn guessing_codes_is_shut_out_like_guessing_passwords() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let (_, eve) = app.session("eve", Role::User).await;
        let basic = app.post("/plans", &owner, plan("basic", 1, 1_000)).await.data();
        let mut answers = Vec::new();
        for n in 0..8 {
            let body = json!({"code": format!("GUESS{n}"), "plan_id": basic["id"]});
            answers.push(app.post("/discount-codes/validate", &eve, body).await.failure().1);
        }
        assert_eq!((answers[0].as_str(), answers[7].as_str()), ("DISCOUNT_INVALID", "TOO_MANY_ATTEMPTS"));
    });
}
