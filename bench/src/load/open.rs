//! Open loop: requests leave at fixed times whether or not earlier ones were answered; latency counts from the due time,
//! so a stalled server cannot hide its stall (no coordinated omission).

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Expect, Tally, pacer};
use crate::http::{Connection, End};

/// When requests leave, and how their answers are spaced.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Requests per second.
    pub per_second: u32,
    /// How many.
    pub count: u32,
    /// The upstream's pause before each delta, when the lateness of deltas is wanted.
    pub delta_every: Option<Duration>,
}

/// Idle connections that are open already.
type Pool = Rc<RefCell<Vec<Connection>>>;

/// Sends `pace.count` requests at their due times.
pub async fn open(to: SocketAddr, request: &[u8], expect: Expect, pace: Pace) -> Tally {
    let started = Instant::now();
    let request: Rc<[u8]> = request.into();
    let pool: Pool = Rc::new(RefCell::new(Vec::new()));
    let local = tokio::task::LocalSet::new();
    let mut tally = local
        .run_until(async move {
            let mut calls = JoinSet::new();
            let mut due = pacer(Duration::from_secs(1) / pace.per_second, pace.count);
            while let Some(at) = due.recv().await {
                calls.spawn_local(one_call(to, Rc::clone(&request), expect, pace, Rc::clone(&pool), at));
            }
            let mut sum = Tally::default();
            while let Some(Ok(part)) = calls.join_next().await {
                sum.merge(part);
            }
            sum
        })
        .await;
    tally.elapsed = started.elapsed();
    tally
}

async fn one_call(to: SocketAddr, request: Rc<[u8]>, expect: Expect, pace: Pace, pool: Pool, due: Instant) -> Tally {
    let mut tally = Tally::default();
    let idle = pool.borrow_mut().pop();
    let mut connection = match idle {
        Some(open) => open,
        None => match Connection::open(to).await {
            Ok(open) => open,
            Err(error) => {
                tally.add_failure(format!("connect: {error}"));
                return tally;
            }
        },
    };
    if pace.delta_every.is_some() {
        connection.watch_deltas();
    }
    let answer = connection.exchange(&request).await;
    tally.add(&answer, expect, due.elapsed());
    if let Some(every) = pace.delta_every {
        tally.add_delta_times(due, every, answer.delta_times);
    }
    if answer.end == End::Complete {
        pool.borrow_mut().push(connection);
    }
    tally
}
