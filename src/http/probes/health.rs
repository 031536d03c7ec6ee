//! `/health`: the summary that predecessors and simple load balancers read (`admin-api.md` §7).

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

use super::{Probes, answer};
use crate::observe::lifecycle::Phase;

/// Details go to the operations listener only; there the listener adds this marker.
pub struct ShowDetails;

/// The state of the parts, or just `ok`.
pub async fn health(probes: Data<Probes>, details: Option<Data<ShowDetails>>) -> HttpResponse {
    let report = probes.report().await;
    let draining = probes.lifecycle().phase() > Phase::Serving;
    let healthy = report.ready() || (draining && report.failing() == ["phase"]);
    if details.is_none() {
        return answer(healthy).json(json!({ "status": if healthy { "ok" } else { "unhealthy" } }));
    }
    let component = |check: &super::checks::Checked| {
        json!({
            "name": check.name,
            "status": if check.problem.is_none() { "healthy" } else { "unhealthy" },
            "message": check.problem.clone().unwrap_or_default(),
            "response_time_ms": check.response_time_ms,
        })
    };
    answer(healthy).json(json!({
        "status": if healthy { "healthy" } else { "unhealthy" },
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": probes.uptime_ms() / 1_000,
        "components": report.checks.iter().map(component).collect::<Vec<_>>(),
        "checked_at": report.at.to_rfc3339(),
    }))
}
