//! What readiness depends on. Checks run together, each for at most a second; their answer is kept for a second.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actors::clock::Clock;
use actors::domain::time::Timestamp;
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::observe::lifecycle::{Lifecycle, Phase};

/// A check that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(1);
/// How long an answer is kept, in ms: probes of several load balancers must not add up.
const KEPT: i64 = 1_000;

/// A running check: `Err` says what is wrong, without secrets.
pub type CheckFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// One thing that requests need.
pub struct Check {
    /// Its name in answers.
    pub name: &'static str,
    /// Starts the check.
    pub run: Box<dyn Fn() -> CheckFuture + Send + Sync>,
}

/// A finished check.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    /// Its name.
    pub name: &'static str,
    /// What is wrong; absent = nothing.
    pub problem: Option<String>,
    /// How long it took.
    pub response_time_ms: i64,
}

/// All checks at one moment.
#[derive(Debug, Clone)]
pub struct Report {
    /// When they ran.
    pub at: Timestamp,
    /// Their results.
    pub checks: Vec<Checked>,
    /// Milliseconds since they ran.
    pub age_ms: i64,
}

impl Report {
    /// True when nothing is wrong.
    pub fn ready(&self) -> bool {
        self.checks.iter().all(|check| check.problem.is_none())
    }

    /// Names of what is wrong.
    pub fn failing(&self) -> Vec<&'static str> {
        self.checks.iter().filter(|check| check.problem.is_some()).map(|check| check.name).collect()
    }

    /// Every check with its age.
    pub fn verbose(&self) -> Value {
        json!({ "ready": self.ready(), "age_ms": self.age_ms, "checks": self.checks })
    }
}

/// Answers the probes; one per process.
pub struct Probes {
    lifecycle: Lifecycle,
    clock: Clock,
    started: Timestamp,
    engine: Check,
    checks: Vec<Check>,
    last: Mutex<Option<Arc<Report>>>,
}

impl Probes {
    /// Probes of these checks; `engine` alone decides whether the process lives.
    pub fn new(lifecycle: Lifecycle, clock: Clock, engine: Check, checks: Vec<Check>) -> Self {
        let started = clock.now();
        Self { lifecycle, clock, started, engine, checks, last: Mutex::default() }
    }

    /// The process's phase.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Milliseconds since the start.
    pub fn uptime_ms(&self) -> i64 {
        self.clock.now().since(self.started)
    }

    /// True when the engine answers within a second.
    pub async fn alive(&self) -> bool {
        run(&self.engine, &self.clock).await.problem.is_none()
    }

    /// The checks, at most a second old. The phase is always of now.
    pub async fn report(&self) -> Report {
        let now = self.clock.now();
        let mut last = self.last.lock().await;
        let fresh = last.clone().filter(|report| now.since(report.at) < KEPT);
        let report = match fresh {
            Some(report) => report,
            None => {
                let all = self.checks.iter().chain(std::iter::once(&self.engine));
                let checks = join_all(all.map(|check| run(check, &self.clock))).await;
                let report = Arc::new(Report { at: self.clock.now(), checks, age_ms: 0 });
                *last = Some(Arc::clone(&report));
                report
            }
        };
        drop(last);
        let age_ms = now.since(report.at).max(0);
        let phase = phase_problem(self.lifecycle.phase());
        let own = Checked { name: "phase", problem: phase.map(str::to_owned), response_time_ms: 0 };
        let checks = report.checks.iter().cloned().chain(std::iter::once(own)).collect();
        Report { at: report.at, checks, age_ms }
    }
}

fn phase_problem(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Starting => Some("starting"),
        Phase::Serving => None,
        Phase::Draining | Phase::Refusing | Phase::Closing => Some("draining"),
    }
}

async fn run(check: &Check, clock: &Clock) -> Checked {
    let begun = clock.now();
    let result = tokio::time::timeout(LIMIT, (check.run)()).await;
    let problem = match result {
        Ok(Ok(())) => None,
        Ok(Err(problem)) => Some(problem),
        Err(_) => Some("no answer within a second".to_owned()),
    };
    Checked { name: check.name, problem, response_time_ms: clock.now().since(begun) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn check(name: &'static str, runs: Arc<AtomicU32>, problem: Option<&'static str>) -> Check {
        let run = move || -> CheckFuture {
            runs.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move { problem.map_or(Ok(()), |text| Err(text.to_owned())) })
        };
        Check { name, run: Box::new(run) }
    }

    #[tokio::test]
    async fn answers_are_kept_for_a_second_and_draining_shows_at_once() {
        let clock = Clock::frozen(Timestamp(1_000_000));
        let (runs, engine) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let life = Lifecycle::default();
        life.enter(Phase::Serving);
        let checks = vec![check("database", Arc::clone(&runs), None)];
        let probes = Probes::new(life.clone(), clock.clone(), check("engine", engine, None), checks);
        assert!(probes.report().await.ready());
        assert!(probes.report().await.ready());
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        life.enter(Phase::Draining);
        assert_eq!(probes.report().await.failing(), ["phase"]);
        clock.advance(1_001);
        probes.report().await;
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_has_failed() {
        let hang = Check { name: "engine", run: Box::new(|| Box::pin(std::future::pending())) };
        let probes = Probes::new(Lifecycle::default(), Clock::frozen(Timestamp(0)), hang, Vec::new());
        assert!(!probes.alive().await);
        assert_eq!(probes.report().await.failing(), ["engine", "phase"]);
    }
}
