//! Errors inside of an AWS event stream: exception frames, and the error event that stands for them in a plain stream.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::frame::{self, Frame};
use super::{WireError, write_event};
use crate::dialect::anthropic;

/// The exceptions of Bedrock's streams, with the Anthropic error type that stands for them.
const EXCEPTIONS: [(&str, &str); 6] = [
    ("throttlingException", "rate_limit_error"),
    ("serviceUnavailableException", "overloaded_error"),
    ("modelTimeoutException", "timeout_error"),
    ("validationException", "invalid_request_error"),
    ("modelStreamErrorException", "api_error"),
    ("internalServerException", "api_error"),
];

/// The exception type of a kind of error: exceptions as they are, Anthropic's types by meaning, anything else as the
/// vendor's own fault.
pub fn exception_of(kind: &str) -> &str {
    if kind.ends_with("Exception") {
        return kind;
    }
    match kind {
        "billing_error" => "throttlingException",
        "request_too_large" | "not_found_error" | "permission_error" | "authentication_error" => "validationException",
        _ => EXCEPTIONS
            .iter()
            .find(|(_, own)| *own == kind && *own != "api_error")
            .map_or("internalServerException", |e| e.0),
    }
}

/// An error as a client on the Bedrock wire reads it inside of a stream. `kind` is an exception or an Anthropic error type.
pub fn error_frame(kind: &str, message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    // Only a message of gigabytes cannot be framed; the connection is then cut without it.
    let _ = write_exception(kind, message, &mut out);
    out
}

/// Appends an error as an exception frame.
pub(super) fn write_exception(kind: &str, message: &str, out: &mut Vec<u8>) -> Result<(), WireError> {
    #[derive(Serialize)]
    struct Payload<'a> {
        message: &'a str,
    }
    let payload = serde_json::to_vec(&Payload { message }).map_err(|_| WireError::Payload)?;
    frame::write([(":exception-type", exception_of(kind)), (":message-type", "exception")], payload, out)
}

/// Appends an error event of a plain stream as an exception frame.
pub(super) fn write_error_event(data: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
    let error = anthropic::error::parse(data).unwrap_or_default();
    write_exception(&error.kind, &error.message, out)
}

/// Appends an exception frame as the error event of a plain stream, under the exception's own name.
pub(super) fn write_event_of(kind: &str, frame: &Frame, out: &mut Vec<u8>) {
    let kind = if kind.is_empty() { "internalServerException" } else { kind };
    let message = frame.header(":error-message").map(str::to_owned).or_else(|| message(frame.payload()));
    let data = serde_json::json!({
        "type": "error",
        "error": { "type": kind, "message": message.unwrap_or_default() },
    });
    write_event(b"error", data.to_string().as_bytes(), out);
}

fn message(payload: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Payload {
        #[serde(alias = "Message")]
        message: Value,
    }
    serde_json::from_slice::<Payload>(payload).ok()?.message.as_str().map(str::to_owned)
}
