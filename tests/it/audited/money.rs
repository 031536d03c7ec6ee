//! Calls of the routes about wallets, plans, subscriptions and orders.

use serde_json::{Value, json};

use super::world::{Walk, World};

/// A plan.
pub fn plan(name: &str) -> Value {
    ranked(name, 1)
}

fn ranked(name: &str, rank: i64) -> Value {
    json!({
        "code": name, "rank": rank, "name": {"en": name},
        "terms": {"price_minor": 100 * rank, "period": {"unit": "month", "count": 1}},
    })
}

/// What somebody ordered who had nothing before: only so many orders may wait for one user's payment.
struct Ordered {
    buyer: String,
    path: String,
    subscription: String,
}

impl World {
    async fn buyer(&self) -> String {
        self.app.another_super_admin(&self.name()).await
    }

    async fn wallet(&self, session: &str) -> String {
        format!("/wallets/{}", self.data_as(session, "GET", "/users/me", &Value::Null).await["id"])
    }

    /// Gives somebody something to pay with.
    async fn fund(&self, session: &str) {
        let body = json!({"amount": {"amount": "10.00"}, "reason": "walk"});
        self.data("POST", &format!("{}/adjust", self.wallet(session).await), &body).await;
    }

    async fn ordered(&self) -> Ordered {
        let buyer = self.buyer().await;
        self.fund(&buyer).await;
        let plan = self.data("POST", "/plans", &self.sample("/plans")).await;
        let order = self.data_as(&buyer, "POST", "/subscriptions", &json!({"plan_id": plan["id"]})).await;
        let path = format!("/orders/{}", order["order_no"].as_str().unwrap());
        Ordered { buyer, path, subscription: format!("/subscriptions/{}", order["subscription_id"]) }
    }

    async fn subscribed(&self) -> Ordered {
        let order = self.ordered().await;
        self.data_as(&order.buyer, "POST", &format!("{}/pay", order.path), &json!({})).await;
        order
    }

    /// A change to a greater plan, as quoted.
    async fn change(&self) -> Walk {
        let live = self.subscribed().await;
        let greater = self.data("POST", "/plans", &ranked(&self.name(), 2)).await;
        let id: i64 = live.subscription.rsplit('/').next().unwrap().parse().unwrap();
        let asked = json!({"subscription_id": id, "plan_id": greater["id"]});
        let token = self.data_as(&live.buyer, "POST", "/quotes", &asked).await["quote"]["quote_token"].clone();
        Walk::new(format!("{}/change", live.subscription), json!({ "quote_token": token })).of(live.buyer)
    }
}

pub async fn call(world: &World, method: &str, template: &str) -> Option<Walk> {
    Some(match (method, template) {
        ("PUT" | "PATCH", "/plans/{id}") => Walk::new(world.thing("/plans").await, json!({"rank": 7})),
        ("PUT" | "PATCH", "/discount-codes/{id}") => {
            Walk::new(world.thing("/discount-codes").await, json!({"active": false}))
        }
        ("POST", "/orders") => {
            let pay = json!({"pay": {"amount": "15.00", "currency": "USD"}});
            Walk::new(template, pay).of(world.buyer().await)
        }
        ("POST", path) if path.starts_with("/orders/{order_no}/") => {
            let order = world.ordered().await;
            let (path, body) = match path.rsplit('/').next()? {
                "pay" => ("pay", json!({})),
                "cancel" => ("cancel", json!({"reason": "too dear"})),
                "mark-paid" => ("mark-paid", json!({"proof": "transfer 7"})),
                _ => return None,
            };
            Walk::new(format!("{}/{path}", order.path), body).of(order.buyer)
        }
        (_, path) if path.starts_with("/wallets/") || path == "/buckets" => return gift(world, method, path).await,
        (_, path) if path.starts_with("/subscriptions") => return subscription(world, method, path).await,
        _ => return None,
    })
}

async fn gift(world: &World, method: &str, template: &str) -> Option<Walk> {
    let wallet = world.wallet(&world.session).await;
    let path = template.replace("/wallets/{user}", &wallet);
    let amount = json!({"amount": "1.00"});
    Some(match (method, template) {
        ("POST", "/wallets/{user}/adjust") => Walk::new(path, json!({"amount": amount, "reason": "walk"})),
        ("PUT", "/wallets/{user}/overdraft") => Walk::new(path, json!({ "limit": amount })),
        ("POST", "/wallets/{user}/transfer") => {
            world.fund(&world.session).await;
            let to = world.data("POST", "/users", &world.sample("/users")).await;
            Walk::new(path, json!({"to_user_id": to["id"], "amount": amount, "reason": "walk"}))
        }
        ("POST", "/buckets") => {
            let user: i64 = wallet.rsplit('/').next().unwrap().parse().unwrap();
            Walk::new(template, json!({"user_id": user, "unit": "tokens", "amount": 1_000, "reason": "walk"}))
        }
        _ => return None,
    })
}

async fn subscription(world: &World, method: &str, template: &str) -> Option<Walk> {
    if (method, template) == ("POST", "/subscriptions") {
        let plan = world.data("POST", "/plans", &world.sample("/plans")).await;
        return Some(Walk::new(template, json!({"plan_id": plan["id"]})).of(world.buyer().await));
    }
    if template.ends_with("/change") {
        return Some(world.change().await);
    }
    let live = world.subscribed().await;
    if template.ends_with("/resume") {
        world.data("POST", &format!("{}/pause", live.subscription), &json!({})).await;
    }
    let path = template.replace("/subscriptions/{id}", &live.subscription);
    let body = match (method, template.rsplit('/').next()?) {
        ("PUT", "auto-renew") => json!({"auto_renew": false}),
        ("POST", "extend") => json!({"days": 3}),
        ("POST", "cancel" | "pause" | "renew" | "resume" | "revoke") | ("DELETE", "current") => json!({}),
        _ => return None,
    };
    Some(Walk::new(path, body).of(live.buyer))
}
