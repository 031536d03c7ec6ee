//! Clients: calls at fixed times, half of them streams, each written down as its client saw it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bench::http::{Connection, End};
use bench::load::pacer;
use bench::messages::{Ask, Facts};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

/// Conversations that go on at the same time: enough that every account has some, although each stays on its account.
const SESSIONS: usize = 32;

/// Loads so far: each has conversations of its own, bound to no account yet.
static LOADS: AtomicUsize = AtomicUsize::new(0);

/// One call as its client saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// `x-request-id` of the answer.
    pub request_id: Option<String>,
    /// Status; 0 when no head arrived.
    pub status: u16,
    /// How the answer ended.
    pub end: End,
    /// Asked for a stream?
    pub stream: bool,
    /// What the answer said.
    pub facts: Facts,
    /// The start of the answer, when it is not whole; for messages.
    pub said: String,
    /// Request sent → last byte.
    pub took: Duration,
}

impl Exchange {
    /// The client has a whole answer: it must have been accounted for, exactly once.
    pub fn is_whole(&self) -> bool {
        self.status == 200 && self.end == End::Complete && self.facts.is_good()
    }
}

/// What is written down while the load runs.
#[derive(Clone, Default)]
pub struct Log(Rc<RefCell<Vec<Exchange>>>);

impl Log {
    /// Everything so far.
    pub fn all(&self) -> Vec<Exchange> {
        self.0.borrow().clone()
    }

    /// Whole answers so far.
    pub fn whole(&self) -> usize {
        self.0.borrow().iter().filter(|exchange| exchange.is_whole()).count()
    }

    /// Waits until there are `wanted` whole answers: the load is running and healthy.
    pub async fn healthy(&self, wanted: usize) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.whole() < wanted {
            let last = self.0.borrow().last().cloned();
            anyhow::ensure!(Instant::now() < deadline, "the load is not healthy; last answer: {last:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

/// Runs `scene` while `per_second` calls a second go to `to`; ends the load when the scene has ended and every call was
/// answered or given up. Returns what the clients saw.
pub async fn during<T>(
    to: SocketAddr,
    key: &str,
    per_second: u32,
    scene: impl AsyncFnOnce(Log) -> anyhow::Result<T>,
) -> anyhow::Result<(T, Vec<Exchange>)> {
    at(&[to], key, per_second, scene).await
}

/// As [`during`], at several instances, each with so many calls a second.
pub async fn at<T>(
    to: &[SocketAddr],
    key: &str,
    per_second: u32,
    scene: impl AsyncFnOnce(Log) -> anyhow::Result<T>,
) -> anyhow::Result<(T, Vec<Exchange>)> {
    let log = Log::default();
    let (stop, local) = (Rc::new(Cell::new(false)), LocalSet::new());
    let result = local
        .run_until(async {
            let mut calls = JoinSet::new();
            for to in to {
                calls.spawn_local(generate(*to, key.to_owned(), per_second, log.clone(), Rc::clone(&stop)));
            }
            let result = scene(log.clone()).await;
            stop.set(true);
            while let Some(ended) = calls.join_next().await {
                ended?;
            }
            result
        })
        .await?;
    Ok((result, log.all()))
}

async fn generate(to: SocketAddr, key: String, per_second: u32, log: Log, stop: Rc<Cell<bool>>) {
    let load = LOADS.fetch_add(1, Ordering::Relaxed);
    let requests: Vec<Rc<[u8]>> = (0..2 * SESSIONS).map(|n| request(to, &key, (load, n)).into()).collect();
    let pool: Rc<RefCell<Vec<Connection>>> = Rc::default();
    let mut due = pacer(Duration::from_secs(1) / per_second, u32::MAX);
    let mut calls = JoinSet::new();
    for n in (0..requests.len()).cycle() {
        if due.recv().await.is_none() || stop.get() {
            break;
        }
        calls.spawn_local(one(to, Rc::clone(&requests[n]), is_stream(n), Rc::clone(&pool), log.clone()));
        while calls.try_join_next().is_some() {}
    }
    while calls.join_next().await.is_some() {}
}

async fn one(to: SocketAddr, request: Rc<[u8]>, stream: bool, pool: Rc<RefCell<Vec<Connection>>>, log: Log) {
    let idle = pool.borrow_mut().pop();
    let connection = match idle {
        Some(open) => Ok(open),
        None => Connection::open(to).await,
    };
    let mut connection = match connection {
        Ok(open) => open,
        Err(error) => return log.0.borrow_mut().push(refused(stream, error.kind())),
    };
    let answer = connection.exchange_within(&request, Duration::from_secs(20)).await;
    let facts = Facts::of(answer.body, stream);
    let said = if facts.is_good() { &[] } else { &answer.body[..answer.body.len().min(300)] };
    log.0.borrow_mut().push(Exchange {
        request_id: answer.head.header("x-request-id").map(str::to_owned),
        status: answer.status,
        end: answer.end.clone(),
        stream,
        said: String::from_utf8_lossy(said).into_owned(),
        facts,
        took: answer.total,
    });
    if answer.end == End::Complete {
        pool.borrow_mut().push(connection);
    }
}

fn refused(stream: bool, error: std::io::ErrorKind) -> Exchange {
    let (facts, said) = (Facts::default(), String::new());
    Exchange { request_id: None, status: 0, end: End::Failed(error), stream, facts, said, took: Duration::ZERO }
}

/// Every other request is a stream.
fn is_stream(n: usize) -> bool {
    n % 2 == 1
}

fn request(to: SocketAddr, key: &str, (load, n): (usize, usize)) -> Vec<u8> {
    let host = to.to_string();
    let (stream, marker) = (is_stream(n), format!("session {load} {} ", n / 2));
    let model = "claude-sonnet-4-5";
    Ask { host: &host, key, model, stream, prompt_bytes: 600, headers: "", marker: &marker }.bytes()
}
