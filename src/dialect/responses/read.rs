//! Reads a complete answer as far as the relay acts on it.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::usage::of_response;
use crate::dialect::estimate::TextBytes;
use crate::dialect::read::Read;

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(borrow)]
    output: &'a RawValue,
}

/// Reads a whole answer; `None` when the body is no complete answer: not JSON to its end, or without an output list. The
/// word for why it stopped is its status. A compacted conversation is an answer, too.
pub fn read(body: &[u8]) -> Option<Read> {
    let body = std::str::from_utf8(body).ok()?;
    let wire: Wire<'_> = serde_json::from_str(body).ok()?;
    if !wire.output.get().starts_with('[') {
        return None;
    }
    Some(Read {
        id: wire.id,
        model: wire.model,
        stop_reason: wire.status,
        usage: of_response(body),
        output: TextBytes::of(wire.output.get().as_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_and_half_of_one_is_not() {
        let body = br#"{"id":"resp_1","object":"response","status":"incomplete","model":"m","service_tier":"priority",
            "output":[{"type":"message"}],"usage":{"input_tokens":3,"output_tokens":5,"total_tokens":8}}"#;
        let answer = read(body).unwrap();
        assert_eq!((answer.id.as_deref(), answer.stop_reason.as_deref()), (Some("resp_1"), Some("incomplete")));
        assert_eq!(answer.usage.unwrap().tokens.total(), 8);
        assert_eq!(read(&body[..body.len() - 1]), None);
        assert_eq!(read(br#"{"error":{"message":"m"}}"#), None);
        assert_eq!(read(br#"{"output":null}"#), None);
        assert_eq!(read(br#"{"output":[],"usage":null}"#).unwrap().usage, None);
    }
}
