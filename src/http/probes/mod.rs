//! Probes on both listeners, without authentication and without secrets; `/metrics` on the operations listener only.

mod checks;
mod health;
mod metrics;

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::web::{Data, Query, ServiceConfig, get};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Deserialize;

use crate::observe::lifecycle::Phase;
pub use checks::{Check, CheckFuture, Probes, Report};
pub use health::ShowDetails;
pub use metrics::{Exporter, Refresh};

/// Adds the probes.
pub fn configure(config: &mut ServiceConfig) {
    config
        .route("/livez", get().to(livez))
        .route("/readyz", get().to(readyz))
        .route("/startupz", get().to(startupz))
        .route("/health", get().to(health::health));
}

/// Adds `/metrics`.
pub fn configure_metrics(config: &mut ServiceConfig) {
    config.route("/metrics", get().to(metrics::metrics));
}

#[derive(Debug, Deserialize)]
struct Verbose {
    verbose: Option<String>,
}

fn answer(ok: bool) -> HttpResponseBuilder {
    let mut response = if ok { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    response
}

/// The process and its engine answer, whatever else is down.
async fn livez(probes: Data<Probes>) -> HttpResponse {
    let alive = probes.alive().await;
    answer(alive).body(if alive { "ok" } else { "engine does not answer" })
}

/// Everything that requests need is there.
async fn readyz(probes: Data<Probes>, query: Query<Verbose>) -> HttpResponse {
    let report = probes.report().await;
    if query.verbose.is_some() {
        return answer(report.ready()).json(report.verbose());
    }
    let failing = report.failing();
    answer(failing.is_empty()).body(if failing.is_empty() { "ok".to_owned() } else { failing.join("\n") })
}

/// The start sequence has finished.
async fn startupz(probes: Data<Probes>) -> HttpResponse {
    let started = probes.lifecycle().phase() > Phase::Starting;
    answer(started).body(if started { "ok" } else { "starting" })
}
