//! The mock upstream: speaks to QuotaLane as the vendors do, breaks on command, and keeps its own truth.
//!
//! It answers from plain TCP, because a web framework can neither reset a connection in the middle of an answer nor send an
//! undecodable one. It runs on threads of its own, so that it disturbs nobody's runtime. Test data only: it logs credentials.
//!
//! | Path | Does |
//! |---|---|
//! | `POST /v1/messages`, `/v1/messages/count_tokens`, `GET /v1/models`; the first two also under `/a` | Anthropic |
//! | `POST /model/{id}/{invoke,invoke-with-response-stream,converse,converse-stream,count-tokens}` | Bedrock: bearer or signature |
//! | `POST …/chat/completions`, `/completions`, `/embeddings`, `/images/*`, `/audio/*` under `/v1`, `/o/v1`, `/openai/deployments/{d}` | OpenAI, Azure |
//! | `…/responses`, `…/responses/compact`, `…/responses/{id}` under `/v1`, `/o/v1`, `/openai` | OpenAI Responses |
//! | `/backend-api/codex/*`, `/backend-api/wham/*` | ChatGPT's Codex backend |
//! | `/v1beta/models/{m}:{verb}`, the same under `/v1` | Gemini |
//! | `/v1internal:{verb}` | Code Assist |
//! | `GET /authorize`, `/oauth/authorize`, `/o/oauth2/v2/auth` | consent: redirects at once with a code |
//! | `POST /v1/oauth/token`, `GET /api/oauth/usage`, `/api/oauth/profile` | Anthropic's OAuth: rotating, single-use refresh tokens |
//! | `POST /oauth/token`, `/token`, `/user_management/{authorize/device,authenticate}` | OAuth of OpenAI, Google, WorkOS |
//! | `POST`, `GET`, `DELETE /__mock/faults` | break matching calls ([`faults::FaultRule`]) |
//! | `GET`, `DELETE /__mock/log` | what was really called and sent ([`log::Entry`]) |
//! | `POST`, `DELETE /__mock/replay`, `/__mock/script` | answer with a transcript; set length and pace of streams |
//! | `POST /__mock/windows`, `GET`, `POST /__mock/oauth`, `POST /__mock/options` | vendor windows, token life, log on or off |
//!
//! It words its answers by itself and uses none of the relay's codecs: a witness must not share the accused's mistakes.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::watch;

mod wire;

mod server;

mod control;
mod route;

mod credential;
pub mod dialect;
mod oauth;
pub mod sigv4;
mod windows;

mod ask;
mod generate;
mod turn;

mod anthropic;
mod message;
mod prompt;

mod bedrock;
mod converse;
mod frames;

mod chat;
mod embeddings;
mod openai;

mod codex;
mod responses;
mod responses_stream;
mod seals;
mod stored;

mod code_assist;
mod gemini;
mod google;

pub mod faults;
pub mod log;
mod reply;
mod state;

use state::Mock;

/// How the mock behaves.
#[derive(Debug, Clone)]
pub struct MockOptions {
    /// Keep the truth log of `GET /__mock/log`. Off = fastest.
    pub log: bool,
    /// Threads that serve; each accepts for itself.
    pub threads: usize,
}

impl Default for MockOptions {
    fn default() -> Self {
        Self { log: true, threads: 1 }
    }
}

/// A running mock. When dropped it stops and closes every connection.
#[derive(Debug)]
pub struct MockHandle {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl MockHandle {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://<addr>`, as a base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops it and closes every connection.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for MockHandle {
    fn drop(&mut self) {
        // Without a receiver every thread has ended already.
        let _ = self.stop.send(true);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Binds and starts serving on threads of its own; port 0 takes a free one.
///
/// # Errors
/// The address cannot be bound.
#[expect(clippy::unused_async, reason = "callers are async; binding may become so")]
pub async fn serve(listen: SocketAddr, options: MockOptions) -> io::Result<MockHandle> {
    let listener = TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    let mock = Arc::new(Mock::new(options.log));
    let (stop, stopped) = watch::channel(false);
    let mut threads = Vec::new();
    for number in 0..options.threads.max(1) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (listener, mock, stopped) = (listener.try_clone()?, Arc::clone(&mock), stopped.clone());
        let serve = move || runtime.block_on(server::accept(listener, mock, stopped));
        threads.push(std::thread::Builder::new().name(format!("mock-{number}")).spawn(serve)?);
    }
    Ok(MockHandle { addr, stop, threads })
}
