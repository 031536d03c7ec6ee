//! Closed loop: a fixed number of connections, each sends its next request when the answer is there.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Expect, Tally};
use crate::http::{Connection, End};

/// Sends `total` requests over `connections` connections as fast as they are answered.
pub async fn closed(to: SocketAddr, request: &[u8], expect: Expect, connections: usize, total: u64) -> Tally {
    ramped(to, request, expect, connections, total, Duration::ZERO).await
}

/// As [`closed`], with the connections opened one after the other during `ramp`: thousands at once would only measure
/// listen backlogs.
pub async fn ramped(
    to: SocketAddr,
    request: &[u8],
    expect: Expect,
    connections: usize,
    total: u64,
    ramp: Duration,
) -> Tally {
    let started = Instant::now();
    let left = Rc::new(Cell::new(total));
    let request: Rc<[u8]> = request.into();
    let local = tokio::task::LocalSet::new();
    let mut tally = local
        .run_until(async move {
            let mut loops = JoinSet::new();
            for index in 0..connections {
                let (request, left) = (Rc::clone(&request), Rc::clone(&left));
                let start = ramp.mul_f64(index as f64 / connections as f64);
                loops.spawn_local(async move {
                    tokio::time::sleep(start).await;
                    one_loop(to, request, expect, left).await
                });
            }
            let mut sum = Tally::default();
            while let Some(Ok(part)) = loops.join_next().await {
                sum.merge(part);
            }
            sum
        })
        .await;
    tally.elapsed = started.elapsed();
    tally
}

async fn one_loop(to: SocketAddr, request: Rc<[u8]>, expect: Expect, left: Rc<Cell<u64>>) -> Tally {
    let mut tally = Tally::default();
    let mut connection = None;
    while let Some(rest) = left.get().checked_sub(1) {
        left.set(rest);
        if connection.is_none() {
            connection = match Connection::open(to).await {
                Ok(open) => Some(open),
                Err(error) => {
                    tally.add_failure(format!("connect: {error}"));
                    continue;
                }
            };
        }
        let Some(open) = connection.as_mut() else { continue };
        let answer = open.exchange(&request).await;
        tally.add(&answer, expect, answer.total);
        if answer.end != End::Complete {
            connection = None;
        }
    }
    tally
}
