//! A request in the dialects of the accounts that serve it: decoded once, encoded for each dialect and model asked for.

use std::cell::{Cell, RefCell};

use actors::domain::id::AccountId;
use actors::domain::route::Endpoint;
use bytes::Bytes;

use super::signatures::Signatures;
use super::{RelayError, RelayRequest};
use crate::dialect::Dialect;
use crate::dialect::convert::{self, ConvertError, Outside};
use crate::dialect::embeddings::{self, Asked};
use crate::dialect::form::{Losses, Part, Request};

/// The forms of one request.
#[derive(Debug)]
pub struct Translations {
    lossy: bool,
    decoded: RefCell<Option<Request>>,
    asked: Cell<Option<Asked>>,
    /// Words of what was dropped on the way, for the request row.
    dropped: RefCell<Vec<&'static str>>,
}

impl Translations {
    /// Forms of a request that has none yet. `lossy`: what cannot be carried may be dropped.
    pub fn new(lossy: bool) -> Self {
        Self { lossy, decoded: RefCell::default(), asked: Cell::default(), dropped: RefCell::default() }
    }

    /// The body for an account of this dialect, asking for this model, with what the account sealed put back.
    ///
    /// # Errors
    /// When something in the request has no counterpart there.
    pub fn body(
        &self,
        request: &RelayRequest,
        to: Dialect,
        model: &str,
        (signatures, account): (&Signatures, AccountId),
    ) -> Result<Bytes, RelayError> {
        let from = request.client.dialect;
        let mut losses = Losses::new(self.lossy);
        if request.endpoint == Endpoint::Embed {
            let (body, asked) = embeddings::to_gemini(&request.body(), model, &mut losses).map_err(|e| refused(&e))?;
            self.asked.set(Some(asked));
            self.note(&losses);
            return Ok(Bytes::from(body));
        }
        self.decode(request, from, &mut losses)?;
        let mut decoded = self.decoded.borrow_mut();
        let Some(decoded) = decoded.as_mut() else { return Err(RelayError::NotServed) };
        model.clone_into(&mut decoded.model);
        let mut sealed = decoded.clone();
        let restored = signatures.restore(request.key.id, account, &mut sealed);
        let asked = if restored { &sealed } else { &*decoded };
        let body = convert::encode_request(to, asked, &mut losses).map_err(|e| refused(&e))?;
        self.note(&losses);
        Ok(Bytes::from(body))
    }

    fn decode(&self, request: &RelayRequest, from: Dialect, losses: &mut Losses) -> Result<(), RelayError> {
        if self.decoded.borrow().is_none() {
            let outside = Outside { model: &request.model, stream: request.stream };
            let decoded = convert::decode_request(from, &request.body(), outside, losses);
            *self.decoded.borrow_mut() = Some(decoded.map_err(|e| refused(&e))?);
        }
        Ok(())
    }

    /// The ids of the tool calls in the history; none in a request that cannot be read, which is told where it is translated.
    pub fn calls(&self, request: &RelayRequest) -> Vec<String> {
        let mut losses = Losses::new(self.lossy);
        if request.endpoint == Endpoint::Embed || self.decode(request, request.client.dialect, &mut losses).is_err() {
            return Vec::new();
        }
        self.note(&losses);
        let decoded = self.decoded.borrow();
        let parts = decoded.iter().flat_map(|request| &request.turns).flat_map(|turn| &turn.parts);
        let call = |part: &Part| if let Part::ToolCall(call) = part { Some(call.id.clone()) } else { None };
        parts.filter_map(call).collect()
    }

    fn note(&self, losses: &Losses) {
        let mut dropped = self.dropped.borrow_mut();
        for word in losses.dropped() {
            if !dropped.contains(word) {
                dropped.push(word);
            }
        }
    }

    /// What the answer to a translated embeddings request depends on.
    pub fn asked(&self) -> Option<Asked> {
        self.asked.get()
    }

    /// True when the client asked for the usage chunk of a Chat stream, as far as that is known: a request that was never
    /// translated is not decoded.
    pub fn include_usage(&self) -> bool {
        self.decoded.borrow().as_ref().is_some_and(|request| request.include_usage)
    }

    /// What was dropped.
    pub fn dropped(&self) -> Vec<&'static str> {
        self.dropped.borrow().clone()
    }

    /// Frees the forms: nothing will be sent again.
    pub fn release(&self) {
        if let Some(request) = self.decoded.borrow_mut().as_mut() {
            request.turns = Vec::new();
            request.tools = Vec::new();
        }
    }
}

fn refused(error: &ConvertError) -> RelayError {
    match error {
        ConvertError::Malformed(text) => RelayError::BadRequest(text.clone()),
        ConvertError::Unsupported(unsupported) => RelayError::Unsupported(unsupported.to_string()),
        ConvertError::NoTranslation => RelayError::NotServed,
    }
}
