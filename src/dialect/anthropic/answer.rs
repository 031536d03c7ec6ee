//! Reads a complete (non-stream) answer.

use actors::domain::usage::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::usage::UsageFold;
use crate::dialect::estimate::TextBytes;
use crate::dialect::read::Read;

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(borrow)]
    content: &'a RawValue,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

/// Reads a whole answer; `None` when the body is no complete message: not JSON to its end, or without a content list.
pub fn parse(body: &[u8]) -> Option<Read> {
    let wire: Wire<'_> = serde_json::from_slice(body).ok()?;
    if !wire.content.get().starts_with('[') {
        return None;
    }
    let mut fold = UsageFold::default();
    fold.start(wire.usage.map(RawValue::get));
    Some(Read {
        id: wire.id,
        model: wire.model,
        stop_reason: wire.stop_reason,
        usage: fold.usage(),
        output: TextBytes::of(wire.content.get().as_bytes()),
    })
}

/// Normalised usage of a whole answer.
pub fn usage_of_json(body: &[u8]) -> Option<Usage> {
    parse(body).and_then(|answer| answer.usage)
}

/// True when the body is a complete message: valid JSON to the end, with content.
pub fn is_complete_message(body: &[u8]) -> bool {
    parse(body).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_and_half_of_one_is_not() {
        let body = br#"{"id":"msg_1","type":"message","model":"m","content":[{"type":"text","text":"hi"}],
            "stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":5,"cache_read_input_tokens":2}}"#;
        let answer = parse(body).unwrap();
        assert_eq!((answer.id.as_deref(), answer.stop_reason.as_deref()), (Some("msg_1"), Some("end_turn")));
        assert_eq!(answer.usage.unwrap().tokens.total(), 10);
        assert!(!is_complete_message(&body[..body.len() - 1]));
        assert!(!is_complete_message(br#"{"type":"error","error":{}}"#));
        assert!(!is_complete_message(b"<html>"));
        assert_eq!(usage_of_json(br#"{"content":[],"usage":null}"#), None);
    }
}
