//! The two listeners: clients and administrators on one, probes and metrics on the other.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::Condition;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use actors::clock::Clock;

use crate::http::admin::{self, AdminState};
use crate::http::extract::TrustedProxies;
use crate::http::extract::spill::Spill;
use crate::http::probes::{self, Exporter, Probes, ShowDetails};
use crate::http::protect::cors;
use crate::http::relay;
use crate::journal::JournalDir;
use crate::relay::{Relay, RelayShared};
use crate::transport::{Egress, EgressRules};

/// Idle connections of clients live this long; SDKs pool theirs for about a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// A request's head must be complete within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that wait to be accepted.
const BACKLOG: u32 = 2_048;
/// What a stopped server still waits for idle connections, in seconds; requests were waited for before.
const LAST_WAIT_S: u64 = 1;

/// What a worker needs to serve.
#[derive(Clone)]
pub struct WorkerParts {
    /// Shared state of the relay.
    pub relay: Arc<RelayShared>,
    /// What may be called.
    pub rules: Arc<EgressRules>,
    /// Where usage is written first.
    pub journal: JournalDir,
    /// Probes.
    pub probes: Data<Probes>,
    /// Time.
    pub clock: Data<Clock>,
    /// The management API.
    pub admin: Data<AdminState>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted: Data<TrustedProxies>,
    /// Pages that may call.
    pub cors: Arc<[String]>,
    /// Where large bodies wait until they are complete.
    pub spill: Data<Spill>,
}

/// The main server on a bound listener.
///
/// # Errors
/// When the listener cannot be used.
pub fn main_server(listener: TcpListener, workers: usize, parts: WorkerParts) -> std::io::Result<Server> {
    let number = Arc::new(AtomicUsize::new(0));
    let limit = connections_per_worker(workers);
    let server = HttpServer::new(move || {
        let worker = number.fetch_add(1, Ordering::Relaxed);
        let egress = Egress::new(Arc::clone(&parts.rules));
        let relay = Relay::new(Arc::clone(&parts.relay), egress, parts.journal.writer(worker));
        App::new()
            .wrap(Condition::new(!parts.cors.is_empty(), cors(&parts.cors)))
            .app_data(relay)
            .app_data(parts.probes.clone())
            .app_data(parts.clock.clone())
            .app_data(parts.admin.clone())
            .app_data(parts.trusted.clone())
            .app_data(parts.spill.clone())
            .configure(probes::configure)
            .configure(relay::configure)
            .configure(admin::configure)
    });
    Ok(server
        .workers(workers)
        .max_connections(limit)
        .backlog(BACKLOG)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .h1_allow_half_closed(false)
        .tcp_nodelay(true)
        .on_connect(|connection, _| super::socket::tune(connection))
        .disable_signals()
        .shutdown_timeout(LAST_WAIT_S)
        .listen(listener)?
        .run())
}

/// The operations server on a bound listener.
///
/// # Errors
/// When the listener cannot be used.
pub fn ops_server(
    listener: TcpListener,
    probes: Data<Probes>,
    clock: Data<Clock>,
    exporter: Data<Exporter>,
) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(probes.clone())
            .app_data(clock.clone())
            .app_data(exporter.clone())
            .app_data(Data::new(ShowDetails))
            .configure(probes::configure)
            .configure(probes::configure_metrics)
    });
    Ok(server.workers(1).disable_signals().shutdown_timeout(LAST_WAIT_S).listen(listener)?.run())
}

/// Half of the process's files are for upstream connections, and some are kept for storage.
fn connections_per_worker(workers: usize) -> usize {
    const RESERVE: usize = 512;
    let files = usize::try_from(crate::observe::process::max_open_files()).unwrap_or(20_000);
    (files.saturating_sub(RESERVE) / 2 / workers.max(1)).max(64)
}

/// Handles of the running servers.
pub struct Servers {
    /// Clients and administrators.
    pub main: ServerHandle,
    /// Probes and metrics.
    pub ops: Option<ServerHandle>,
}
