//! `GET /v1/models`: the models that a key may use and some account serves, in the caller's shape (`relay-api.md` §6).

use std::collections::BTreeMap;

use actix_web::http::header::HeaderMap;
use actix_web::{HttpRequest, HttpResponse};
use actors::account::view::AccountView;
use actors::domain::account::{AccountStatus, Service};
use actors::domain::key::KeyPolicy;
use actors::domain::price::PatternKind;

use super::door;
use crate::dialect::model_list::{self, ModelEntry, Page};
use crate::dialect::{Dialect, Surface};
use crate::relay::{Relay, RelayError};

/// The shape by the headers that each family of clients sends, where the path does not tell.
fn shape(headers: &HeaderMap) -> Dialect {
    let has = |name: &str| headers.contains_key(name);
    if has("x-goog-api-key") {
        return Dialect::Gemini;
    }
    if has("anthropic-version") || (has("x-api-key") && !has("authorization")) {
        Dialect::Anthropic
    } else {
        Dialect::Chat
    }
}

/// `limit`, `after_id` and `before_id`; what is malformed counts as absent.
fn page(query: &str) -> Page {
    let mut page = Page::default();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "limit" => page.limit = value.parse().ok().filter(|limit| (1..=1_000).contains(limit)),
            "after_id" => page.after_id = Some(value.to_owned()),
            "before_id" => page.before_id = Some(value.to_owned()),
            _ => {}
        }
    }
    page
}

/// Lists the models.
pub async fn list(relay: &Relay, http: &HttpRequest, of_path: Option<Dialect>) -> HttpResponse {
    let dialect = of_path.unwrap_or_else(|| shape(http.headers()));
    let arrival = door::arrive(relay, "/v1/models", Surface::plain(dialect));
    match door::key(relay, http).await {
        Err(error) => door::refuse(relay, &error, &arrival, http),
        Ok(key) => {
            let entries = entries(relay, &key).await;
            json(match dialect {
                Dialect::Anthropic => model_list::anthropic_list(&entries, &page(http.query_string())),
                Dialect::Gemini => model_list::google_list(&entries),
                _ => model_list::openai_list(&entries),
            })
        }
    }
}

/// One model; 404 when the key cannot use it.
pub async fn one(relay: &Relay, http: &HttpRequest, of_path: Option<Dialect>, model: &str) -> HttpResponse {
    let dialect = of_path.unwrap_or_else(|| shape(http.headers()));
    let arrival = door::arrive(relay, "/v1/models/{id}", Surface::plain(dialect));
    let key = match door::key(relay, http).await {
        Ok(key) => key,
        Err(error) => return door::refuse(relay, &error, &arrival, http),
    };
    let entries = entries(relay, &key).await;
    match entries.iter().find(|entry| entry.id == model) {
        Some(entry) => json(match dialect {
            Dialect::Anthropic => model_list::anthropic_one(entry),
            Dialect::Gemini => model_list::google_one(entry),
            _ => model_list::openai_one(entry),
        }),
        None => door::refuse(relay, &RelayError::NotFound, &arrival, http),
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
        if named && views.iter().any(|view| serves(view, key, price.service, &price.pattern)) {
            found.entry(price.pattern.clone()).or_insert_with(|| ModelEntry {
                id: price.pattern.clone(),
                display_name: price.pattern.clone(),
                created_at: price.effective_from,
                max_input_tokens: price.max_input,
                max_output_tokens: price.max_output,
                owned_by: price.service.as_str().to_owned(),
            });
        }
    }
    found.into_values().collect()
}

/// True when the account can be asked for a model of this service by this key.
fn serves(view: &AccountView, key: &KeyPolicy, service: Service, model: &str) -> bool {
    let spec = &view.spec;
    let kind = spec.kind;
    let usable = spec.enabled && spec.status == AccountStatus::Active && !kind.is_apart();
    let sold = kind.service() == service || kind.service().price_parents().contains(&service);
    let permitted = key.permits(kind.platform()) && key.allows_model(model, spec.upstream_model(model));
    usable && sold && permitted && spec.serves_model(model)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn the_shape_follows_the_headers_that_each_family_sends() {
        for (names, expected) in [
            (vec!["anthropic-version", "authorization"], Dialect::Anthropic),
            (vec!["x-api-key"], Dialect::Anthropic),
            (vec!["authorization"], Dialect::Chat),
            (vec!["x-goog-api-key"], Dialect::Gemini),
            (vec![], Dialect::Chat),
        ] {
            let headers: HeaderMap =
                names.iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("x"))).collect();
            assert_eq!(shape(&headers), expected, "{names:?}");
        }
    }

    #[test]
    fn odd_page_parameters_count_as_absent() {
        assert_eq!(
            page("limit=1000&after_id=a"),
            Page { limit: Some(1_000), after_id: Some("a".into()), before_id: None }
        );
        assert_eq!(page("limit=0&x&limit2=3"), Page::default());
    }
}
