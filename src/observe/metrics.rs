//! Every metric of the edges, declared once: relay, usage, money, HTTP, database, cache and journal (`ops.md` §5). The
//! engine declares its own in `actors::metrics`.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use actors::domain::verdict::Verdict;
use prometheus::{Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::build::Build;
use super::labels::{
    Area, AuthMethod, AuthResult, Condition, DialectLabel, Done, Edit, FailureKind, FamilyLabel, Job, Level,
    LimitDimension, LimitScope, Outcome, Phase, Policy, PoolState, ServiceLabel, StatusClass, TokenKind,
};
use super::table::Table;

/// Whole requests and long waits, in seconds.
const LONG: [f64; 14] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0];
/// Our own work, in seconds: 50 µs to 1 s.
const SHORT: [f64; 13] = [0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0];

/// Model names that `unpriced_requests_total` may show before it says `other`.
const MODELS_SHOWN: usize = 50;

macro_rules! metrics {
    ($($kind:ident $method:ident = $name:literal { $($label:ident: $type:ty),* } $buckets:expr, $help:literal;)*) => {
        /// Handles of every metric of the edges. Methods cost an array index.
        pub struct Metrics {
            $($method: Table<$kind, ($($type,)*)>,)*
            unpriced: Unpriced,
        }

        impl Metrics {
            /// Declares everything on a registry. Fails only when a name is already taken there.
            pub fn new(registry: &Registry) -> prometheus::Result<Self> {
                let metrics = Self {
                    $($method: Table::register(registry, $name, $help, &[$(stringify!($label)),*], $buckets)?,)*
                    unpriced: Unpriced::register(registry)?,
                };
                metrics.show_from_start();
                register_build(registry)?;
                Ok(metrics)
            }

            $(
                #[doc = $help]
                pub fn $method(&self $(, $label: impl Into<$type>)*) -> &$kind {
                    self.$method.get(($($label.into(),)*))
                }
            )*

            /// Every family declared here, without the prefix, with its labels.
            pub fn declared() -> Vec<(&'static str, Vec<&'static str>)> {
                vec![$(($name, vec![$(stringify!($label)),*]),)* ("unpriced_requests_total", vec!["model"])]
            }
        }
    };
}

metrics! {
    // Relay.
    IntCounter relay_requests = "relay_requests_total" { service: ServiceLabel, dialect: DialectLabel, model_family: FamilyLabel, outcome: Outcome, stream: bool } &[], "Relayed requests by outcome";
    IntCounter relay_refused = "relay_refused_total" { condition: Condition } &[], "Requests refused, by condition word";
    Histogram relay_duration = "relay_duration_seconds" { service: ServiceLabel, stream: bool } &LONG, "Arrival to last byte";
    Histogram relay_ttft = "relay_ttft_seconds" { service: ServiceLabel } &LONG, "Arrival to first content byte";
    Histogram relay_overhead = "relay_overhead_seconds" { stream: bool } &SHORT, "Time added by the relay itself, waits and failed attempts excluded";
    IntGauge relay_inflight = "relay_inflight" { service: ServiceLabel } &[], "Requests in flight";
    IntGauge relay_streams_open = "relay_streams_open" {} &[], "Streams open to clients";
    IntGauge relay_drains_active = "relay_drains_active" {} &[], "Upstream streams read on after the client left";
    IntCounter relay_shed_total = "relay_shed_total" {} &[], "Requests shed because too many were in flight";
    IntCounter relay_attempts = "relay_attempts_total" { service: ServiceLabel, verdict: Verdict } &[], "Upstream attempts by verdict";
    IntCounter relay_failovers = "relay_failovers_total" { service: ServiceLabel, verdict: Verdict } &[], "Switches to another account, by the verdict that caused them";
    IntCounter relay_edits = "relay_edits_total" { edit: Edit } &[], "Body edits";
    IntCounter relay_disconnects = "relay_disconnects_total" { policy: Policy, phase: Phase } &[], "Clients that left";
    IntCounter relay_usage_estimated = "relay_usage_estimated_total" { service: ServiceLabel } &[], "Requests whose usage had to be estimated";
    IntCounter relay_usage_absurd = "relay_usage_absurd_total" { service: ServiceLabel } &[], "Requests whose reported usage was not believable";
    Histogram upstream_connect = "upstream_connect_seconds" { service: ServiceLabel } &LONG, "Dial of an upstream, proxy and TLS included";
    Histogram upstream_ttfb = "upstream_ttfb_seconds" { service: ServiceLabel } &LONG, "Request sent to head of the upstream's answer";

    // Usage and money.
    IntCounter tokens_total = "tokens_total" { service: ServiceLabel, model_family: FamilyLabel, kind: TokenKind } &[], "Tokens";
    IntCounter charge_nanos_total = "charge_nanos_total" { service: ServiceLabel, model_family: FamilyLabel } &[], "Charged, in nano-USD";
    IntCounter upstream_cost_nanos_total = "upstream_cost_nanos_total" { service: ServiceLabel, model_family: FamilyLabel } &[], "Cost at the upstreams, in nano-USD";
    IntCounter cache_saved_nanos_total = "cache_saved_nanos_total" { service: ServiceLabel } &[], "Saved by cache reads, in nano-USD";
    IntCounter cache_write_premium_nanos_total = "cache_write_premium_nanos_total" { service: ServiceLabel } &[], "Paid for cache writes above input price, in nano-USD";
    IntGauge usage_pending_records = "usage_pending_records" {} &[], "Usage records not yet in SQL";
    Gauge usage_flush_lag = "usage_flush_lag_seconds" {} &[], "Age of the oldest usage record not yet in SQL";
    IntCounter usage_flush = "usage_flush_total" { result: Done } &[], "Usage batches";
    IntCounter usage_dead = "usage_dead_total" {} &[], "Usage records set aside because they kept failing";
    IntGauge holds_active = "holds_active" {} &[], "Open holds";
    IntCounter hold_denied = "hold_denied_total" { word: Condition } &[], "Holds denied, by condition word";
    IntCounter holds_expired = "holds_expired_total" {} &[], "Holds that nobody resolved";

    // Journal.
    IntGauge journal_pending_records = "journal_pending_records" {} &[], "Journal records not yet acknowledged";
    Gauge journal_oldest = "journal_oldest_seconds" {} &[], "Age of the oldest journal record not yet acknowledged";
    Histogram journal_append = "journal_append_seconds" {} &SHORT, "Append of one journal record";
    Histogram journal_fsync = "journal_fsync_seconds" {} &SHORT, "Sync of a journal file";
    IntCounter journal_replayed = "journal_replayed_total" { result: Done } &[], "Journal records replayed at start";

    // Access.
    IntCounter auth_total = "auth_total" { method: AuthMethod, result: AuthResult } &[], "Authentications";
    IntCounter login_blocked = "login_blocked_total" {} &[], "Logins refused by the throttle";
    IntCounter limit_hits = "limit_hits_total" { scope: LimitScope, dimension: LimitDimension } &[], "Limits hit";

    // Platform.
    IntGauge ready = "ready" {} &[], "1 while the instance is ready";
    IntGauge draining = "draining" {} &[], "1 while the instance stops";
    Gauge start_timestamp = "start_timestamp_seconds" {} &[], "Start of the process, Unix seconds";
    IntGauge instances = "instances" {} &[], "Live instances";
    IntCounter job_runs = "job_runs_total" { job_name: Job, result: Done } &[], "Runs of periodic jobs";
    Gauge job_last_success = "job_last_success_timestamp_seconds" { job_name: Job } &[], "Last success of a periodic job, Unix seconds";
    IntGauge db_pool_connections = "db_pool_connections" { state: PoolState } &[], "Database connections";
    Histogram db_acquire = "db_acquire_seconds" {} &SHORT, "Wait for a database connection";
    IntCounter db_errors = "db_errors_total" { kind: FailureKind } &[], "Failed database calls";
    IntGauge redis_up = "redis_up" {} &[], "1 while Redis answers";
    IntGauge redis_fallback_active = "redis_fallback_active" {} &[], "1 while the cache works without Redis";
    IntCounter redis_errors = "redis_errors_total" { kind: FailureKind } &[], "Failed Redis calls";
    IntCounter http_requests = "http_requests_total" { area: Area, status_class: StatusClass } &[], "HTTP answers";
    Histogram http_request_duration = "http_request_duration_seconds" { area: Area } &LONG, "Duration of HTTP requests";
    IntCounter log_events = "log_events_total" { level: Level } &[], "Log events";
    IntCounter log_dropped = "log_dropped_total" {} &[], "Log lines lost because the writer fell behind";
}

impl Metrics {
    /// Requests for a model without a price. The first 50 names of the process are shown, then `other`.
    pub fn unpriced_requests_total(&self, model: &str) -> IntCounter {
        self.unpriced.series(model)
    }

    /// Shows the series that alerts and dashboards name as 0 before the first request; families of more series than these
    /// show the others when they first count.
    fn show_from_start(&self) {
        let other = FamilyLabel::OTHER;
        for service in [ServiceLabel::Claude, ServiceLabel::Ccr] {
            for outcome in Outcome::ALL {
                self.relay_requests(service, DialectLabel::Anthropic, other, *outcome, false);
            }
            for kind in TokenKind::ALL {
                self.tokens_total(service, other, *kind);
            }
        }
    }

    /// Registered nowhere: for tests and tools that export nothing.
    pub fn detached() -> prometheus::Result<Self> {
        Self::new(&Registry::new())
    }
}

/// `build_info`: always 1, its labels say what runs.
fn register_build(registry: &Registry) -> prometheus::Result<()> {
    let build = Build::current();
    let opts = Opts::new("quotalane_build_info", "What was built");
    let info = IntGauge::with_opts(opts.const_label("version", build.version).const_label("commit", build.commit))?;
    info.set(1);
    registry.register(Box::new(info))
}

struct Unpriced {
    family: IntCounterVec,
    shown: Mutex<BTreeSet<String>>,
}

impl Unpriced {
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        let opts = Opts::new("quotalane_unpriced_requests_total", "Requests for a model without a price");
        let family = IntCounterVec::new(opts, &["model"])?;
        registry.register(Box::new(family.clone()))?;
        family.with_label_values(&["other"]);
        Ok(Self { family, shown: Mutex::default() })
    }

    fn series(&self, model: &str) -> IntCounter {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let known = shown.contains(model) || (shown.len() < MODELS_SHOWN && shown.insert(model.to_owned()));
        self.family.with_label_values(&[if known { model } else { "other" }])
    }
}

#[cfg(test)]
mod tests {
    use actors::domain::account::Service;
    use actors::domain::model::{default_families, family_of};

    use super::*;

    #[test]
    fn handles_count_and_names_are_prefixed() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        let family = family_of("claude-opus-4-5", &default_families());
        let outcome = Outcome::Success;
        metrics.relay_requests(Service::Claude, DialectLabel::Anthropic, &family, outcome, true).inc();
        metrics.relay_refused("shed").inc();
        metrics.relay_attempts(Service::Ccr, Verdict::Overloaded).inc();
        metrics.relay_streams_open().inc();
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let line = r#"quotalane_relay_requests_total{dialect="anthropic",model_family="opus",outcome="success",service="claude",stream="true"} 1"#;
        assert!(text.contains(line), "{text}");
        assert!(text.contains(r#"quotalane_relay_refused_total{condition="shed"} 1"#));
        assert!(text.contains(r#"quotalane_relay_attempts_total{service="ccr",verdict="overloaded"} 1"#));
        assert!(text.contains("quotalane_relay_streams_open 1"));
    }

    #[test]
    fn invented_models_stop_making_series() {
        let metrics = Metrics::detached().unwrap();
        for n in 0..1_000 {
            metrics.unpriced_requests_total(&format!("model-{n}")).inc();
        }
        assert_eq!(metrics.unpriced_requests_total("model-999").get(), 950);
        assert_eq!(metrics.unpriced_requests_total("model-1").get(), 1);
    }
}
