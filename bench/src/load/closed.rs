//! Closed loop: a fixed number of connections, each sends its next request when the answer is there.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Expect, Tally};
use crate::http::{Connection, End};

/// Sends `total` requests over `connections` connections as fast as they are answered.
pub async fn closed(to: SocketAddr, request: &[u8], expect: Expect, connections: usize, total: u64) -> Tally {
    let started = Instant::now();
    let left = Rc::new(Cell::new(total));
    let request: Rc<[u8]> = request.into();
    let local = tokio::task::LocalSet::new();
    let mut tally = local
        .run_until(async move {
            let mut loops = JoinSet::new();
            for _ in 0..connections {
                loops.spawn_local(one_loop(to, Rc::clone(&request), expect, Rc::clone(&left)));
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
