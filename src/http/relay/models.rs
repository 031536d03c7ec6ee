//! `GET /v1/models`: the models that a key may use and some account serves, in the caller's shape (`relay-api.md` §6).

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse};
use actors::account::view::AccountView;
use actors::domain::account::{AccountKind, AccountStatus};
use actors::domain::key::KeyPolicy;
use actors::domain::price::PatternKind;

use super::door;
use crate::dialect::anthropic::models::{self, ModelEntry, Page, Shape};
use crate::relay::{Relay, RelayError};

/// Lists the models.
pub async fn list(relay: &Relay, http: &HttpRequest) -> HttpResponse {
    let arrival = door::arrive(relay, "/v1/models");
    match door::key(relay, http).await {
        Err(error) => door::refuse(relay, &error, arrival, http),
        Ok(key) => {
            let entries = entries(relay, &key).await;
            let page = Page::of_query(http.query_string());
            json(models::list(&entries, Shape::of(http.headers()), &page))
        }
    }
}

/// One model; 404 when the key cannot use it.
pub async fn one(relay: &Relay, http: &HttpRequest, model: &str) -> HttpResponse {
    let arrival = door::arrive(relay, "/v1/models/{id}");
    let key = match door::key(relay, http).await {
        Ok(key) => key,
        Err(error) => return door::refuse(relay, &error, arrival, http),
    };
    let entries = entries(relay, &key).await;
    match entries.iter().find(|entry| entry.id == model) {
        Some(entry) => json(models::one(entry, Shape::of(http.headers()))),
        None => door::refuse(relay, &RelayError::NotFound, arrival, http),
    }
}

fn json(body: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(body)
}

/// Every priced model that the key may use and an enabled account can serve, by name.
async fn entries(relay: &Relay, key: &KeyPolicy) -> Vec<ModelEntry> {
    let views = relay.engine().scheduler.views().await;
    let prices = relay.shared().prices.load();
    let now = relay.now();
    let mut found = BTreeMap::new();
    for price in prices.versions() {
        let named = price.kind != PatternKind::Glob && price.in_force(now);
        if named && key.allows_model(&price.pattern) && views.iter().any(|view| serves(view, &price.pattern)) {
            found.entry(price.pattern.clone()).or_insert_with(|| ModelEntry {
                id: price.pattern.clone(),
                display_name: price.pattern.clone(),
                created_at: price.effective_from,
                max_input: price.max_input,
                max_output: price.max_output,
                owned_by: price.service.as_str().to_owned(),
            });
        }
    }
    found.into_values().collect()
}

fn serves(view: &AccountView, model: &str) -> bool {
    let spec = &view.spec;
    let usable = spec.enabled && spec.status == AccountStatus::Active && spec.kind != AccountKind::Ccr;
    usable && spec.serves_model(model)
}
