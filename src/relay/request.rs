//! A client's request, parsed as far as the relay acts on it. The body stays as it came.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use actors::domain::account::{AccountKind, Platform};
use actors::domain::id::{GroupId, RequestId};
use actors::domain::key::{BindingTarget, KeyPolicy};
use actors::domain::model::{Family, family_of, lookup_name, split_routing_prefix};
use actors::domain::route::{Endpoint, SessionHash};
use actors::domain::settings::Settings;
use actors::domain::sticky::session_hash;
use actors::domain::time::Timestamp;
use bytes::Bytes;
use tokio::time::Instant;

use super::RelayError;
use crate::dialect::{Dialect, Surface, estimate, peek, session};

/// When and as what a request came in.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// The request's id, made at the door.
    pub request: RequestId,
    /// Engine time.
    pub at: Timestamp,
    /// For durations.
    pub instant: Instant,
    /// Route template, for the request row.
    pub route: &'static str,
}

/// A parsed request of the Anthropic dialect.
#[derive(Debug)]
pub struct RelayRequest {
    /// When and as what it came.
    pub arrival: Arrival,
    /// When its body had been read.
    pub ready: Instant,
    /// Who asks.
    pub key: Arc<KeyPolicy>,
    /// Head of the client's request.
    pub http: HttpRequest,
    /// The decoded body; given up once a stream is committed.
    body: RefCell<Bytes>,
    /// Its length.
    pub bytes_in: u64,
    /// What the account must be able to do.
    pub endpoint: Endpoint,
    /// What the client speaks.
    pub client: Surface,
    /// The pool.
    pub platform: Platform,
    /// The name that the client wrote.
    pub model_written: Arc<str>,
    /// The name without routing prefix.
    pub model: Arc<str>,
    /// Where the body has the name: a JSON string literal with its quotes.
    pub model_span: Range<usize>,
    /// Forced by a routing prefix.
    pub forced: Option<AccountKind>,
    /// Family of `model`.
    pub family: Family,
    /// Streaming.
    pub stream: bool,
    /// Longest answer that the client allows.
    pub max_tokens: Option<u64>,
    /// Sticky hash, when the request carries something that tells its session.
    pub session: Option<SessionHash>,
    /// Estimated prompt tokens.
    pub input_estimate: u64,
    /// The prompt marks parts for caching.
    pub cache_control: bool,
}

impl RelayRequest {
    /// Parses the body. Unknown fields, roles and versions are the vendor's business.
    pub fn parse(
        arrival: Arrival,
        key: Arc<KeyPolicy>,
        http: HttpRequest,
        body: Bytes,
        endpoint: Endpoint,
        settings: &Settings,
    ) -> Result<Self, RelayError> {
        let platform = Platform::Claude;
        let peeked = peek::peek(&body).map_err(|e| RelayError::BadRequest(e.to_string()))?;
        if peeked.model.is_empty() {
            return Err(RelayError::BadRequest("model: field required".to_owned()));
        }
        if !peeked.messages {
            return Err(RelayError::BadRequest("messages: field required".to_owned()));
        }
        let routed = split_routing_prefix(&peeked.model);
        let session = session::session_value(http.headers(), &peeked, &body)
            .map(|value| session_hash(platform, key.id, group_of(&key, platform), &value));
        let billable = endpoint == Endpoint::Generate;
        Ok(Self {
            ready: Instant::now(),
            arrival,
            endpoint,
            client: Surface::plain(Dialect::Anthropic),
            platform,
            model_written: Arc::from(&*peeked.model),
            model: Arc::from(routed.name),
            model_span: peeked.model_span.clone(),
            forced: routed.forced,
            family: family_of(lookup_name(routed.name), &settings.families),
            stream: peeked.stream && billable,
            max_tokens: peeked.max_tokens,
            session,
            input_estimate: estimate::input_tokens(&body),
            cache_control: billable && estimate::has_cache_control(&body),
            key,
            http,
            bytes_in: body.len() as u64,
            body: RefCell::new(body),
        })
    }

    /// The decoded body, replayable until the first content byte.
    pub fn body(&self) -> Bytes {
        self.body.borrow().clone()
    }

    /// Frees the body: nothing will be sent again.
    pub fn release_body(&self) {
        self.body.take();
    }

    /// Head of the client's request.
    pub fn headers(&self) -> &HeaderMap {
        self.http.headers()
    }

    /// The client program, at most 100 characters of its user agent.
    pub fn program(&self) -> Option<String> {
        let agent = self.headers().get("user-agent")?.to_str().ok()?;
        Some(agent.chars().take(100).collect())
    }
}

/// The group that scopes a key's sessions.
fn group_of(key: &KeyPolicy, platform: Platform) -> Option<GroupId> {
    match key.binding(platform)?.target {
        BindingTarget::Group(group) => Some(group),
        BindingTarget::Account(_) => None,
    }
}
