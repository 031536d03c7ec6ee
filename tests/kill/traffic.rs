//! Clients: calls at fixed times, half of them streams, each written down as its client saw it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bench::http::{Connection, End};
use bench::load::pacer;
use bench::messages::{Ask, Facts};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

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
    let log = Log::default();
    let (stop, local) = (Rc::new(Cell::new(false)), LocalSet::new());
    let result = local
        .run_until(async {
            let calls =
                tokio::task::spawn_local(generate(to, key.to_owned(), per_second, log.clone(), Rc::clone(&stop)));
            let result = scene(log.clone()).await;
            stop.set(true);
            calls.await?;
            result
        })
        .await?;
    Ok((result, log.all()))
}

async fn generate(to: SocketAddr, key: String, per_second: u32, log: Log, stop: Rc<Cell<bool>>) {
    let bytes = [false, true].map(|stream| Rc::<[u8]>::from(request(to, &key, stream)));
    let pool: Rc<RefCell<Vec<Connection>>> = Rc::default();
    let mut due = pacer(Duration::from_secs(1) / per_second, u32::MAX);
    let mut calls = JoinSet::new();
    let mut stream = false;
    while due.recv().await.is_some() && !stop.get() {
        let request = Rc::clone(&bytes[usize::from(stream)]);
        calls.spawn_local(one(to, request, stream, Rc::clone(&pool), log.clone()));
        stream = !stream;
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

fn request(to: SocketAddr, key: &str, stream: bool) -> Vec<u8> {
    let host = to.to_string();
    let marker = "kill ";
    Ask { host: &host, key, model: "claude-sonnet-4-5", stream, prompt_bytes: 600, headers: "", marker }.bytes()
}
