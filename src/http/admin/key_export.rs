//! Keys as a CSV file: what the list shows, one line each.

use actix_web::HttpResponse;
use actix_web::web::Data as State;

use super::AdminState;
use super::api_keys::{KeyView, views};
use crate::http::csv;
use crate::onboarding::json::Moment;
use crate::store::Page;
use crate::store::keys::KeyFilter;

/// Rows read at once.
const STEP: i64 = 500;

const HEAD: [&str; 16] = [
    "id",
    "name",
    "user_id",
    "status",
    "prefix",
    "last4",
    "tags",
    "permissions",
    "rpm_limit",
    "concurrency_limit",
    "expires_at",
    "last_used_at",
    "requests",
    "tokens",
    "charge_usd",
    "created_at",
];

/// Every key that matches.
pub fn file(state: State<AdminState>, filter: KeyFilter) -> HttpResponse {
    csv::file("attachment; filename=\"api-keys.csv\"", &HEAD, 0, move |offset: i64| {
        let (state, filter) = (state.clone(), filter.clone());
        async move {
            let (views, _) = views(&state, &filter, Page { offset, limit: STEP }).await?;
            let lines: String = views.iter().map(line).collect();
            Ok((!views.is_empty()).then_some((lines, offset + STEP)))
        }
    })
}

fn line(view: &KeyView) -> String {
    let at = |moment: Option<Moment>| moment.map(|moment| moment.0.to_rfc3339()).unwrap_or_default();
    let cells = [
        view.id.to_string(),
        view.key.name.clone(),
        view.key.user_id.map(|user| user.to_string()).unwrap_or_default(),
        view.status.to_owned(),
        view.prefix.clone(),
        view.last4.clone(),
        view.key.tags.join(" "),
        view.key.permissions.join(" "),
        view.key.rpm_limit.to_string(),
        view.key.concurrency_limit.to_string(),
        at(view.key.expires_at),
        at(view.last_used_at),
        view.requests.to_string(),
        view.tokens.to_string(),
        view.charge.0.to_string(),
        at(Some(view.created_at)),
    ];
    csv::line(cells.iter().map(String::as_str))
}
