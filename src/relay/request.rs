//! A client's request, parsed as far as the relay acts on it. The body stays as it came.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use actors::domain::account::{AccountKind, KindSet, Platform};
use actors::domain::id::{AccountId, GroupId, RequestId};
use actors::domain::key::{BindingTarget, KeyPolicy};
use actors::domain::model::{Family, family_of, lookup_name, split_routing_prefix};
use actors::domain::route::{Endpoint, SessionHash};
use actors::domain::settings::Settings;
use actors::domain::sticky::session_hash;
use actors::domain::time::Timestamp;
use bytes::Bytes;
use tokio::time::Instant;

use super::RelayError;
use super::owners::AnswerOwners;
use super::target::{self, CallTarget};
use super::translate::Translations;
use crate::dialect::{Dialect, Surface, Wire, estimate, peek, session};

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
    /// What the client speaks, and so how it is answered.
    pub client: Surface,
}

/// A parsed request.
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
    /// Its forms in other dialects, made when an account needs them.
    pub translations: Translations,
    /// Its length.
    pub bytes_in: u64,
    /// What the client speaks.
    pub client: Surface,
    /// What the account must be able to do.
    pub endpoint: Endpoint,
    /// The client's path behind base path and API version.
    pub tail: Cow<'static, str>,
    /// The pool.
    pub platform: Platform,
    /// Kinds of account that can serve it.
    pub kinds: KindSet,
    /// Those of them that need no translation.
    pub native: KindSet,
    /// The stored answer that it is about, or that it follows.
    refers_to: Option<String>,
    /// The only account that can serve it.
    pub only: Option<AccountId>,
    /// The name that the client wrote.
    pub model_written: Arc<str>,
    /// The name without routing prefix.
    pub model: Arc<str>,
    /// Where the body has the name: a JSON string literal with its quotes.
    pub model_span: Option<Range<usize>>,
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
    ///
    /// # Errors
    /// When the body is no request of this route, or its model leads to no pool.
    pub fn parse(
        arrival: Arrival,
        key: Arc<KeyPolicy>,
        http: HttpRequest,
        body: Bytes,
        call: CallTarget,
        settings: &Settings,
    ) -> Result<Self, RelayError> {
        let peeked = read_fields(&http, &body, &call)?;
        let refers_to = match call.endpoint {
            Endpoint::Stored => call.model.clone(),
            _ => peeked.previous_response_id.as_deref().map(str::to_owned),
        };
        let written = target::model_written(&call, &peeked, &http, &body)?;
        let routed = split_routing_prefix(&written);
        let routing = target::routing(&call, &routed, settings)?;
        let session = session::session_value(http.headers(), &peeked, &body)
            .map(|value| session_hash(routing.platform, key.id, group_of(&key, routing.platform), &value));
        let billable = call.endpoint.is_billable();
        let is_text = (billable || call.endpoint == Endpoint::CountTokens) && !target::is_multipart(http.headers());
        Ok(Self {
            ready: Instant::now(),
            arrival,
            client: call.client,
            endpoint: call.endpoint,
            tail: call.tail,
            platform: routing.platform,
            kinds: routing.kinds,
            native: routing.native,
            refers_to,
            only: None,
            model: Arc::from(routed.name),
            forced: routed.forced,
            family: family_of(lookup_name(routed.name), &settings.families),
            model_span: peeked.model_span.clone(),
            stream: call.stream.unwrap_or(peeked.stream) && billable,
            max_tokens: peeked.max_tokens,
            session,
            input_estimate: if is_text { estimate::input_tokens(&body) } else { 0 },
            cache_control: billable && estimate::has_cache_control(&body),
            key,
            http,
            bytes_in: body.len() as u64,
            model_written: Arc::from(written),
            body: RefCell::new(body),
            translations: Translations::new(settings.lossy_translation),
        })
    }

    /// Looks for the account that has what the request refers to. A follow-up to an answer that nobody knows goes on, because
    /// the vendor says best what is wrong with it.
    ///
    /// # Errors
    /// When it is about a stored answer that nobody knows: it is not found.
    pub async fn find_owner(&mut self, owners: &AnswerOwners, settings: &Settings) -> Result<(), RelayError> {
        let Some(answer) = &self.refers_to else { return Ok(()) };
        self.only = owners.of(self.key.id, answer, settings).await;
        if self.only.is_none() && self.endpoint == Endpoint::Stored {
            return Err(RelayError::NotFound);
        }
        Ok(())
    }

    /// The decoded body, replayable until the first content byte.
    pub fn body(&self) -> Bytes {
        self.body.borrow().clone()
    }

    /// Frees the body: nothing will be sent again.
    pub fn release_body(&self) {
        self.body.take();
        self.translations.release();
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

/// The fields of a JSON body; none for routes whose body is none (uploads, reading a stored answer).
fn read_fields<'b>(http: &HttpRequest, body: &'b [u8], call: &CallTarget) -> Result<peek::Peek<'b>, RelayError> {
    if body.is_empty() && matches!(call.endpoint, Endpoint::Stored | Endpoint::Assist) {
        return Ok(peek::Peek::default());
    }
    if target::is_multipart(http.headers()) && matches!(call.endpoint, Endpoint::Image | Endpoint::Audio) {
        return Ok(peek::Peek::default());
    }
    let peeked = peek::peek(body).map_err(|e| RelayError::BadRequest(e.to_string()))?;
    let wanted = prompt_field(call);
    if wanted.is_some_and(|name| !peeked.prompts.contains(&name)) {
        return Err(RelayError::BadRequest(format!("{}: field required", wanted.unwrap_or_default())));
    }
    Ok(peeked)
}

/// The member without which a body is no request.
fn prompt_field(call: &CallTarget) -> Option<&'static str> {
    match (call.endpoint, call.client.dialect, call.client.wire) {
        (Endpoint::Generate, _, Wire::CodeAssist) => Some("request"),
        (Endpoint::Generate, Dialect::Gemini, _) => Some("contents"),
        (Endpoint::Generate | Endpoint::CountTokens, Dialect::Anthropic, Wire::Plain) => Some("messages"),
        (Endpoint::Generate, Dialect::Anthropic | Dialect::Chat | Dialect::Converse, _) => Some("messages"),
        // A follow-up by `previous_response_id` or `prompt` may have no input.
        (Endpoint::Embed, Dialect::Chat, _) => Some("input"),
        (Endpoint::Complete, ..) => Some("prompt"),
        _ => None,
    }
}

/// The group that scopes a key's sessions.
fn group_of(key: &KeyPolicy, platform: Platform) -> Option<GroupId> {
    match key.binding(platform)?.target {
        BindingTarget::Group(group) => Some(group),
        BindingTarget::Account(_) => None,
    }
}
