//! Log lines and counters of an account's events.

use super::breaker::Switch;
use super::effects::{Event, RefreshResult};
use crate::domain::account::{AccountSpec, AccountStatus};
use crate::metrics::Counters;

/// So many failed rounds in a row are worth a warning: three ticks within half an hour.
const FAILING: u32 = 3;

/// Counts and logs one event.
pub fn event(counters: &Counters, spec: &AccountSpec, event: &Event) {
    let (id, service) = (spec.id.0, spec.kind.service().as_str());
    match event {
        Event::Cooled(verdict) => {
            counters.cooldowns.with_label_values(&[service, verdict.as_str()]).inc();
            tracing::info!(account = id, verdict = verdict.as_str(), "account cools down");
        }
        Event::Breaker(Switch::Opened) => {
            counters.breaker.with_label_values(&[service, "opened"]).inc();
            tracing::warn!(account = id, event = "account.circuit_opened", "circuit opened");
        }
        Event::Breaker(Switch::Closed { probes, downtime_ms }) => {
            counters.breaker.with_label_values(&[service, "closed"]).inc();
            tracing::info!(account = id, event = "account.circuit_closed", probes, downtime_ms, "circuit closed");
        }
        Event::Refreshed(result, failures) => {
            counters.refreshes.with_label_values(&[service, result.label()]).inc();
            if *result == RefreshResult::Permanent {
                tracing::error!(account = id, event = "account.reauth_required", "token refresh refused for good");
            } else if *failures >= FAILING {
                tracing::warn!(
                    account = id,
                    event = "account.token_refresh_failing",
                    failures,
                    "token refresh keeps failing"
                );
            }
        }
        Event::Status(AccountStatus::Active, _) => {
            tracing::info!(account = id, event = "account.recovered", "account is active")
        }
        Event::Status(status, reason) => {
            tracing::error!(
                account = id,
                status = status.as_str(),
                reason = reason.as_deref(),
                "account status changed"
            );
        }
    }
}
