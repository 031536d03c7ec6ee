//! What a scrape takes over from counters that are kept elsewhere: usage, holds, jobs, log lines.

use actors::housekeeping::Job;
use actors::system::Engine;
use prometheus::IntCounter;

use super::checks::{count, seconds};
use crate::observe::{Metrics, events};

/// Figures that actors keep.
pub fn engine(metrics: &Metrics, engine: &Engine) {
    let usage = engine.usage.stats();
    metrics.usage_pending_records().set(count(usage.pending));
    metrics.usage_flush_lag().set(seconds(usage.oldest_age_ms));
    follow(metrics.usage_flush("ok"), usage.flushes_ok);
    follow(metrics.usage_flush("failed"), usage.flushes_failed);
    follow(metrics.usage_dead(), usage.dead);
    let billing = engine.billing.stats();
    metrics.holds_active().set(count(billing.holds));
    follow(metrics.holds_expired(), billing.expired);
    for (job, runs) in engine.housekeeping.jobs() {
        let name = match job {
            Job::Sweep => "sweep",
            Job::KeepDecisions => "keep_decisions",
            Job::Heartbeat => "heartbeat",
        };
        follow(metrics.job_runs(name, "ok"), runs.succeeded);
        follow(metrics.job_runs(name, "failed"), runs.failed);
        if let Some(at) = runs.last_success {
            metrics.job_last_success(name).set(seconds(at.0));
        }
    }
}

/// Figures of the process's log.
pub fn process(metrics: &Metrics) {
    for (level, total) in events::by_level() {
        follow(metrics.log_events(level), total);
    }
    follow(metrics.log_dropped(), events::lost());
}

/// Brings a counter up to a total that only grows.
fn follow(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}
