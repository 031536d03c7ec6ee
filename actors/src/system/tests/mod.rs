//! The engine as a whole, with its real actors, over fake ports and in virtual time.

mod checkups;
mod lifecycle;
mod panics;
mod tokens;

use std::time::Duration;

use crate::domain::id::{AccountId, AttemptId, RequestId};
use crate::domain::route::{Refusal, RouteRequest};
use crate::domain::time::MINUTE;
use crate::domain::verdict::Verdict;
use crate::scheduler::Grant;
use crate::testing::{FakePorts, TestEngine, report, route};

/// Virtual time: nothing really waits.
async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// An engine over these ports, after its first views have arrived.
async fn start(fakes: FakePorts) -> TestEngine {
    tokio::time::pause();
    let engine = TestEngine::start(fakes).await.unwrap();
    engine.settle().await;
    engine
}

fn request(engine: &TestEngine, n: u128) -> RouteRequest {
    let attempt = AttemptId { request: RequestId(n), number: 1 };
    RouteRequest { attempt, deadline: engine.engine.clock.now().plus(MINUTE), ..route(n) }
}

async fn ask(engine: &TestEngine, n: u128) -> Result<Grant, Refusal> {
    engine.engine.scheduler.route(request(engine, n)).await
}

fn finish(engine: &TestEngine, grant: Grant, verdict: Verdict) {
    let now = engine.engine.clock.now();
    grant.lease.finish(report(verdict, now, now));
}

fn id(n: i64) -> AccountId {
    AccountId(n)
}
