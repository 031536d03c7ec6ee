//! One worker's door to the outside: takes a call, finds its client, sends it, and says what went wrong.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::ParseError;
use actix_http::header::{CONTENT_LENGTH, HOST, HeaderMap};
use actix_http::{BoxedPayloadStream, Method, Payload};
use awc::error::{ConnectError, SendRequestError};
use awc::{ClientResponse, FrozenClientRequest};
use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::body::AnswerBody;
use super::call::{OutboundAnswer, OutboundCall};
use super::clients::{Clients, dial_error};
use super::error::TransportError;
use super::guard::EgressRules;
use super::prepared::{Prepared, PreparedUrls};
use super::resolve::{Names, Resolve, System};
use super::trace::{TRACE, Trace};
use super::wire::is_closed;

/// Servers that refuse a body by closing do so for large ones.
const LARGE_BODY: usize = 1 << 20;
/// How often unused clients are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Sends calls from the thread it was made on. Cheap to clone; not `Send`.
#[derive(Clone)]
pub struct Egress(Rc<Inner>);

struct Inner {
    rules: Arc<EgressRules>,
    clients: Rc<Clients>,
    urls: PreparedUrls,
    sweeper: RefCell<Option<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(sweeper) = self.sweeper.get_mut() {
            sweeper.abort();
        }
    }
}

impl Egress {
    /// A door that obeys `rules`. Call inside a `LocalSet` (an actix worker, or the [`super::EgressThread`]).
    pub fn new(rules: Arc<EgressRules>) -> Self {
        Self::with_resolver(rules, Rc::new(System))
    }

    /// The same with another resolver.
    pub fn with_resolver(rules: Arc<EgressRules>, resolver: Rc<dyn Resolve>) -> Self {
        let names = Rc::new(Names::new(resolver));
        let clients = Rc::new(Clients::new(Arc::clone(&rules), names));
        Self(Rc::new(Inner { rules, clients, urls: PreparedUrls::default(), sweeper: RefCell::default() }))
    }

    /// Sends one call and waits for the head of its answer. A kept-alive connection that turns out to be dead before any
    /// byte came is replaced once. Dropping the future cancels the call and closes its connection.
    pub async fn send(&self, call: OutboundCall) -> Result<OutboundAnswer, TransportError> {
        if self.0.urls.follow(&self.0.rules) {
            self.0.clients.clear();
        }
        let prepared = self.0.urls.get(&self.0.rules, call.account, &call.url)?;
        let client = self.0.clients.get(call.proxy.as_ref());
        self.sweep_later();
        let mut request = client.request(call.method.clone(), prepared.uri.clone()).no_decompress();
        let headers = request.headers_mut();
        for (name, value) in call.headers {
            headers.append(name, value);
        }
        headers.insert(HOST, prepared.host.clone());
        let request = request.freeze().map_err(|e| TransportError::Invalid(e.to_string()))?;
        let sending = Sending { request, prepared, body: call.body, connect_timeout: call.connect_timeout };
        timeout(call.first_byte_timeout, sending.run(&call.method))
            .await
            .unwrap_or(Err(TransportError::FirstByteTimeout))
    }

    /// Looks for unused clients while there are any.
    fn sweep_later(&self) {
        let mut sweeper = self.0.sweeper.borrow_mut();
        if sweeper.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let clients = Rc::clone(&self.0.clients);
        *sweeper = Some(actix_rt::spawn(async move {
            while !clients.is_empty() {
                tokio::time::sleep(SWEEP_EVERY).await;
                clients.sweep();
            }
        }));
    }
}

/// A call that is ready to be sent, more than once if need be.
struct Sending {
    request: FrozenClientRequest,
    prepared: Rc<Prepared>,
    body: Bytes,
    connect_timeout: Duration,
}

impl Sending {
    async fn run(self, method: &Method) -> Result<OutboundAnswer, TransportError> {
        match self.once(method).await {
            // The server closed a connection from the pool as our request was on its way (C8). It has not seen the
            // request, or has not begun to answer; every HTTP client sends it again on another connection.
            Err((TransportError::Reset | TransportError::TooLarge, trace))
                if !trace.dialled.get() && !trace.received.get() =>
            {
                self.once(method).await.map_err(|(error, _)| error)
            }
            result => result.map_err(|(error, _)| error),
        }
    }

    async fn once(&self, method: &Method) -> Result<OutboundAnswer, (TransportError, Rc<Trace>)> {
        let trace = Rc::new(Trace::new(Rc::clone(&self.prepared.target), self.connect_timeout));
        let without_body = self.body.is_empty() && matches!(*method, Method::GET | Method::HEAD | Method::DELETE);
        let sending = if without_body {
            self.request.send_body(actix_http::body::None::new())
        } else {
            self.request.send_body(self.body.clone())
        };
        match TRACE.scope(Rc::clone(&trace), sending).await {
            Ok(response) => Ok(answer(response)),
            Err(error) => Err((self.cause(error, &trace), trace)),
        }
    }

    fn cause(&self, error: SendRequestError, trace: &Trace) -> TransportError {
        match error {
            SendRequestError::Connect(ConnectError::Io(e)) => dial_error(&e),
            SendRequestError::Connect(ConnectError::Timeout) => TransportError::ConnectTimeout,
            SendRequestError::Connect(ConnectError::Disconnected) => self.closed(trace),
            SendRequestError::Timeout => TransportError::FirstByteTimeout,
            SendRequestError::Send(e) | SendRequestError::Response(ParseError::Io(e)) => self.broken(&e, trace),
            SendRequestError::Response(ParseError::Incomplete) => self.closed(trace),
            SendRequestError::Response(e) => TransportError::Malformed(e.to_string()),
            other => TransportError::Invalid(other.to_string()),
        }
    }

    fn broken(&self, e: &io::Error, trace: &Trace) -> TransportError {
        if is_closed(e.kind()) { self.closed(trace) } else { TransportError::Io(e.kind()) }
    }

    fn closed(&self, trace: &Trace) -> TransportError {
        if trace.write_broken.get() && self.body.len() > LARGE_BODY {
            return TransportError::TooLarge;
        }
        TransportError::Reset
    }
}

fn answer(response: ClientResponse) -> OutboundAnswer {
    let status = response.status().as_u16();
    let mut headers = HeaderMap::new();
    let mut payload = Payload::None;
    // The only way to take a response apart: the map of its body is given the head, too.
    let _ = response.map_body::<_, BoxedPayloadStream>(|head, body| {
        headers = std::mem::replace(&mut head.headers, HeaderMap::new());
        payload = body;
        Payload::None
    });
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    OutboundAnswer { status, headers, body: AnswerBody::new(payload, declared) }
}
