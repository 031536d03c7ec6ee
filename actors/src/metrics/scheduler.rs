//! Metrics of decisions, queues and stickiness.

use super::families::{Distribution, Families};
use crate::domain::account::Platform;
use crate::fleet::FleetHandle;
use crate::scheduler::stats::{DECISION_BOUNDS_US, Histogram, Line, SchedulerStats, WAIT_BOUNDS_MS};

/// Shows the scheduler's counters.
pub fn show(families: &mut Families, stats: &SchedulerStats) {
    for (outcome, count) in &stats.decisions {
        families.counter("scheduler_decisions_total", "Decisions", &[("outcome", outcome)], *count);
    }
    for (outcome, seen) in &stats.decision_us {
        let labels = [("outcome", *outcome)];
        histogram(families, "scheduler_decision_seconds", &labels, seen, &DECISION_BOUNDS_US, 1e-6);
    }
    for (reason, count) in &stats.exclusions {
        families.counter("scheduler_exclusions_total", "Excluded candidates", &[("reason", reason)], *count);
    }
    for ((line, result), seen) in &stats.queue_waits {
        let labels = [("queue", *line), ("result", *result)];
        histogram(families, "queue_wait_seconds", &labels, seen, &WAIT_BOUNDS_MS, 1e-3);
    }
    for line in Line::ALL {
        let depth = match line {
            Line::Key => stats.queue.key,
            Line::User => stats.queue.user,
            Line::Pool => stats.queue.pool,
        };
        let depth = i64::try_from(depth).unwrap_or(i64::MAX);
        families.gauge("queue_depth", "Requests that wait", &[("queue", line.as_str())], depth);
    }
    for service in Platform::ALL.map(Platform::as_str) {
        let count = stats.pool_floor.get(service).copied().unwrap_or(0);
        families.counter("pool_floor_total", "Requests served over a soft exclusion", &[("service", service)], count);
    }
    for (result, count) in &stats.sticky {
        families.counter("sticky_total", "Sticky lookups", &[("result", result)], *count);
    }
    let bindings = i64::try_from(stats.sticky_bindings).unwrap_or(i64::MAX);
    families.gauge("sticky_bindings", "Sticky bindings", &[], bindings);
    families.counter(
        "relay_retry_budget_exhausted_total",
        "Extra attempts refused by the retry budget",
        &[],
        stats.retry_budget_exhausted,
    );
}

/// Shows what this instance holds in the store that instances share.
pub fn show_fleet(families: &mut Families, fleet: &FleetHandle) {
    let held = fleet.stats();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    families.counter("lease_lost_total", "Leases that expired while held", &[], held.lost);
    families.gauge("fleet_together", "1 while the shared store decides about limits", &[], fleet.is_together().into());
    families.gauge("fleet_leases", "Slots held in the shared store", &[], count(held.leases));
    families.gauge("fleet_admissions", "Admissions held in the shared store", &[], count(held.admissions));
    families.gauge("fleet_ends_waiting", "Ends that the shared store has not heard of", &[], count(held.ends));
}

#[expect(clippy::cast_precision_loss, reason = "the text format knows only floats")]
fn histogram(
    families: &mut Families,
    name: &'static str,
    labels: &[(&str, &str)],
    seen: &Histogram,
    bounds: &[i64; 10],
    unit: f64,
) {
    let bounds = bounds.map(|bound| bound as f64 * unit);
    let distribution = Distribution { bounds: &bounds, counts: &seen.counts, sum: seen.sum as f64 * unit };
    families.histogram(name, "Distribution of times", labels, &distribution);
}
