//! Which vendor's tongue a path belongs to, and how that vendor words an error.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::frames;
use super::message::event;
use super::reply::{Mark, Piece, Reply};

/// What is spoken on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// Anthropic Messages.
    Anthropic,
    /// Anthropic Messages inside Bedrock's `invoke`.
    Invoke,
    /// Bedrock Converse.
    Converse,
    /// OpenAI Chat Completions and the small endpoints of that API.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Responses as ChatGPT's Codex backend speaks it.
    Codex,
    /// Gemini.
    Gemini,
    /// Gemini inside a Code Assist envelope.
    CodeAssist,
    /// OAuth token endpoints of OpenAI, Google and WorkOS.
    Grant,
}

impl Dialect {
    /// By the path without query.
    pub(super) fn of(path: &str) -> Self {
        let has = |part: &str| path.contains(part);
        match path {
            "/v1/messages" => Self::Anthropic,
            "/oauth/token" | "/token" => Self::Grant,
            path if path.starts_with("/user_management/") => Self::Grant,
            path if path.starts_with("/model/") && has("/converse") => Self::Converse,
            path if path.starts_with("/model/") => Self::Invoke,
            path if path.starts_with("/backend-api/") => Self::Codex,
            path if path.starts_with("/v1internal") => Self::CodeAssist,
            path if path.starts_with("/v1beta/") || has(":") => Self::Gemini,
            _ if has("/responses") => Self::Responses,
            _ if ["/completions", "/embeddings", "/images/", "/audio/"].into_iter().any(has) => Self::Chat,
            _ => Self::Anthropic,
        }
    }

    /// The header in which this vendor names a call.
    pub(super) fn id_header(self) -> Option<&'static str> {
        match self {
            Self::Anthropic | Self::Grant => Some("request-id"),
            Self::Invoke | Self::Converse => Some("x-amzn-requestid"),
            Self::Chat | Self::Responses | Self::Codex => Some("x-request-id"),
            Self::Gemini | Self::CodeAssist => None,
        }
    }

    /// What a call without a usable credential gets.
    pub(super) fn unauthorized(self) -> Reply {
        match self {
            Self::Anthropic => self.error(401, "invalid credentials"),
            Self::Invoke | Self::Converse => {
                Reply { status: 403, ..self.error(401, "The security token included in the request is invalid.") }
            }
            Self::Chat | Self::Responses => self.error(401, "Incorrect API key provided."),
            Self::Codex => self.error(401, "Could not parse your authentication token. Please try signing in again."),
            Self::Gemini => Reply { status: 400, ..self.error(401, "API key not valid. Please pass a valid API key.") },
            Self::CodeAssist => self.error(401, "Request had invalid authentication credentials."),
            Self::Grant => self.error(401, "the client is unknown"),
        }
    }

    /// An error with the vendor's own word for the status.
    pub(super) fn error(self, status: u16, message: &str) -> Reply {
        let mut reply = Reply::json(status, self.error_body(status, message).to_string());
        if let Self::Invoke | Self::Converse = self {
            reply
                .headers
                .push(("x-amzn-errortype".into(), format!("{}:http://internal.amazon.com/", aws_word(status))));
        }
        reply
    }

    pub(super) fn error_body(self, status: u16, message: &str) -> Value {
        match self {
            Self::Anthropic => json!({"type": "error", "error": {"type": anthropic_word(status), "message": message}}),
            Self::Invoke | Self::Converse => json!({"message": message}),
            Self::Chat | Self::Responses => {
                let (kind, code) = openai_words(status);
                json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
            }
            Self::Codex if status == 429 => {
                json!({"error": {"type": "usage_limit_reached", "message": message, "plan_type": "plus", "resets_in_seconds": 60}})
            }
            Self::Codex => json!({"detail": message}),
            Self::Gemini | Self::CodeAssist => google_error(self, status, message),
            Self::Grant => json!({"error": grant_word(status), "error_description": message}),
        }
    }

    /// What tells of an error inside a stream that began well; `body` replaces the vendor's usual one.
    pub(super) fn error_events(self, body: Option<&Value>) -> Vec<Piece> {
        let usual = || self.error_body(529, "mock fault");
        let json = body.cloned().unwrap_or_else(usual);
        // A body that is text goes out as it is.
        let text = json.as_str().map_or_else(|| json.to_string(), str::to_owned);
        let piece = |bytes: String| Piece { bytes: Bytes::from(bytes), mark: Mark::None };
        match self {
            Self::Anthropic | Self::Grant => vec![event("error", &text, Mark::None)],
            Self::Chat => vec![piece(format!("data: {text}\n\n"))],
            Self::Gemini | Self::CodeAssist => vec![piece(format!("data: {text}\r\n\r\n"))],
            Self::Responses | Self::Codex if body.is_some() => {
                vec![event(json["type"].as_str().unwrap_or("error"), &text, Mark::None)]
            }
            Self::Responses | Self::Codex => failed_response(),
            Self::Invoke | Self::Converse => {
                let kind = json["type"].as_str().unwrap_or("modelStreamErrorException");
                vec![Piece { bytes: frames::exception(kind, text.as_bytes()), mark: Mark::None }]
            }
        }
    }

    /// An event that cannot be decoded.
    pub(super) fn garbage(self) -> Piece {
        let bytes = match self {
            Self::Anthropic | Self::Grant => return event("content_block_delta", "{\"type\":\"content_", Mark::None),
            Self::Responses | Self::Codex => {
                return event("response.output_text.delta", "{\"type\":\"resp", Mark::None);
            }
            Self::Chat => Bytes::from_static(b"data: {\"id\":\"chatcmpl\n\n"),
            Self::Gemini | Self::CodeAssist => Bytes::from_static(b"data: {\"candidates\":[{\r\n\r\n"),
            Self::Invoke | Self::Converse => frames::damaged(),
        };
        Piece { bytes, mark: Mark::None }
    }
}

/// The two events with which OpenAI ends a stream that failed.
fn failed_response() -> Vec<Piece> {
    let error = json!({"code": "server_error", "message": "mock fault"});
    let first = json!({"type": "error", "sequence_number": 900, "code": "server_error", "message": "mock fault", "param": null});
    let response = json!({"id": "resp_mock_failed", "object": "response", "created_at": 0, "status": "failed",
        "error": error, "incomplete_details": null, "model": "mock", "output": [], "parallel_tool_calls": true,
        "tool_choice": "auto", "tools": [], "usage": null});
    let second = json!({"type": "response.failed", "sequence_number": 901, "response": response});
    vec![event("error", &first.to_string(), Mark::None), event("response.failed", &second.to_string(), Mark::None)]
}

fn google_error(dialect: Dialect, status: u16, message: &str) -> Value {
    let code = match status {
        401 if dialect == Dialect::Gemini => 400,
        529 => 503,
        status => status,
    };
    let word = match code {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    };
    let mut error = json!({"code": code, "message": message, "status": word});
    if status == 401 && dialect == Dialect::Gemini {
        error["details"] = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
            "domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"}}]);
    }
    json!({"error": error})
}

fn anthropic_word(status: u16) -> &'static str {
    match status {
        400 | 413 | 415 | 422 => "invalid_request_error",
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    }
}

fn aws_word(status: u16) -> &'static str {
    match status {
        400 | 413 | 415 | 422 => "ValidationException",
        401 => "UnrecognizedClientException",
        403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 | 529 => "ServiceUnavailableException",
        _ => "InternalServerException",
    }
}

fn openai_words(status: u16) -> (&'static str, Option<&'static str>) {
    match status {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        402 => ("insufficient_quota", Some("insufficient_quota")),
        404 => ("invalid_request_error", Some("model_not_found")),
        429 => ("requests", Some("rate_limit_exceeded")),
        400..500 => ("invalid_request_error", None),
        _ => ("server_error", None),
    }
}

fn grant_word(status: u16) -> &'static str {
    match status {
        400 => "invalid_grant",
        401 => "invalid_client",
        429 => "rate_limited",
        402..500 => "invalid_request",
        _ => "server_error",
    }
}
