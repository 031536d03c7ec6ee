//! Frames as the vendor writes them, damaged ones, and both ways of the packing.

use super::*;
use crate::dialect::error::EmbeddedError;

const INVOKE: Surface = Surface { dialect: Dialect::Anthropic, wire: Wire::Bedrock };
const CONVERSE: Surface = Surface { dialect: Dialect::Converse, wire: Wire::Bedrock };

fn run(repack: &mut dyn Repack, bytes: &[u8], size: usize) -> (Vec<u8>, Result<(), WireError>) {
    let mut out = Vec::new();
    for chunk in bytes.chunks(size) {
        if let Err(error) = repack.feed(chunk, &mut out) {
            return (out, Err(error));
        }
    }
    let end = repack.end(&mut out);
    (out, end)
}

fn unpacked(surface: Surface, bytes: &[u8], size: usize) -> (String, Result<(), WireError>) {
    let (out, end) = run(&mut *unpacker(surface).unwrap(), bytes, size);
    (String::from_utf8(out).unwrap(), end)
}

fn packed(surface: Surface, text: &str) -> Vec<u8> {
    let (out, end) = run(&mut *packer(surface).unwrap(), text.as_bytes(), 7);
    end.unwrap();
    out
}

fn chunk(event: &str) -> Vec<u8> {
    packed(INVOKE, &format!("data: {event}\n\n"))
}

#[test]
fn a_recorded_frame_is_read() {
    // The first frame of a recorded `converse-stream` answer.
    let frame = b"\x00\x00\x00\x82\x00\x00\x00R+a\x0cC\x0b:event-type\x07\x00\x0cmessageStart\r:content-type\x07\x00\x10application/json\r:message-type\x07\x00\x05event{\"p\":\"abcde\",\"role\":\"assistant\"}*.s\x18";
    for size in [1, 7, 997] {
        let expected = "event: messageStart\ndata: {\"p\":\"abcde\",\"role\":\"assistant\"}\n\n";
        assert_eq!(unpacked(CONVERSE, frame, size), (expected.to_owned(), Ok(())));
    }
}

#[test]
fn damage_anywhere_is_found_and_stays() {
    let good = chunk(r#"{"type":"message_stop"}"#);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        let mut unpack = unpacker(INVOKE).unwrap();
        let mut out = Vec::new();
        let error = unpack.feed(&bad, &mut out).unwrap_err();
        assert_eq!(error, WireError::Damaged, "byte {at}");
        assert!(out.is_empty());
        assert_eq!(unpack.feed(&good, &mut out), Err(error));
        assert_eq!(unpack.end(&mut out), Err(error));
    }
}

#[test]
fn what_came_before_the_damage_is_kept() {
    let mut bytes = chunk(r#"{"type":"a"}"#);
    bytes.extend_from_slice(&chunk(r#"{"type":"b"}"#));
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let (text, end) = unpacked(INVOKE, &bytes, bytes.len());
    assert_eq!((text.as_str(), end), ("event: a\ndata: {\"type\":\"a\"}\n\n", Err(WireError::Damaged)));
}

#[test]
fn an_end_inside_of_a_frame_is_a_truncation() {
    let frame = chunk(r#"{"type":"a"}"#);
    for cut in 1..frame.len() {
        assert_eq!(unpacked(INVOKE, &frame[..cut], 997).1, Err(WireError::Truncated), "{cut}");
    }
    assert_eq!(unpacked(INVOKE, b"", 1).1, Ok(()));
}

#[test]
fn impossible_lengths_are_refused_at_once() {
    for (length, error) in [(15_u32, WireError::Damaged), (0, WireError::Damaged), (u32::MAX, WireError::TooLong)] {
        let mut prelude = length.to_be_bytes().to_vec();
        prelude.extend_from_slice(&0_u32.to_be_bytes());
        prelude.extend_from_slice(&crc32fast::hash(&prelude).to_be_bytes());
        assert_eq!(unpacked(INVOKE, &prelude, 1).1, Err(error), "{length}");
    }
}

#[test]
fn a_payload_that_is_no_chunk_is_an_error() {
    for payload in ["{}", r#"{"bytes":"*"}"#, r#"{"bytes":"eA=="}"#, "x"] {
        let frame = packed(CONVERSE, &format!("event: chunk\ndata: {payload}\n\n"));
        assert_eq!(unpacked(INVOKE, &frame, 997).1, Err(WireError::Payload), "{payload}");
    }
    let unknown = packed(CONVERSE, "event: other\ndata: {}\n\n");
    assert_eq!(unpacked(INVOKE, &unknown, 1), (String::new(), Ok(())));
}

#[test]
fn the_vendors_own_metrics_are_left_out() {
    for (event, expected) in [
        (
            r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":1}}"#,
            r#"{"type":"message_stop"}"#,
        ),
        (r#"{"amazon-bedrock-invocationMetrics":{} , "type":"message_stop"}"#, r#"{"type":"message_stop"}"#),
    ] {
        assert_eq!(unpacked(INVOKE, &chunk(event), 5).0, format!("event: message_stop\ndata: {expected}\n\n"));
    }
    let quoted = r#"{"type":"content_block_delta","delta":{"text":"\"amazon-bedrock-invocationMetrics\""}}"#;
    assert!(unpacked(INVOKE, &chunk(quoted), 5).0.contains(quoted));
}

#[test]
fn events_go_there_and_back() {
    let events = "event: message_start\ndata: {\"type\":\"message_start\",\"n\":1.50}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let frames =
        packed(INVOKE, &format!(": hi\n\nevent: ping\ndata: {{\"type\":\"ping\"}}\n\n{events}data: [DONE]\n\n"));
    for size in [1, 7, 997] {
        assert_eq!(unpacked(INVOKE, &frames, size), (events.to_owned(), Ok(())));
    }
}

#[test]
fn errors_become_exceptions_and_exceptions_errors() {
    let event = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"full \\\"up\\\"\"}}\n\n";
    let frame = packed(INVOKE, event);
    assert_eq!(frame, error_frame("overloaded_error", "full \"up\""));
    for surface in [INVOKE, CONVERSE] {
        let (text, end) = unpacked(surface, &frame, 3);
        end.unwrap();
        let mut tap = crate::dialect::tap(surface.dialect);
        tap.feed(text.as_bytes());
        let expected = EmbeddedError {
            kind: "serviceUnavailableException".to_owned(),
            message: "full \"up\"".to_owned(),
            code: None,
            before_content: true,
        };
        assert_eq!(tap.seen().error.as_ref(), Some(&expected));
    }
}

#[test]
fn every_kind_of_error_has_its_exception() {
    for (kind, exception) in [
        ("rate_limit_error", "throttlingException"),
        ("overloaded_error", "serviceUnavailableException"),
        ("timeout_error", "modelTimeoutException"),
        ("invalid_request_error", "validationException"),
        ("api_error", "internalServerException"),
        ("", "internalServerException"),
        ("modelStreamErrorException", "modelStreamErrorException"),
    ] {
        assert_eq!(exception_of(kind), exception, "{kind}");
    }
}

#[test]
fn error_messages_of_the_protocol_are_errors_too() {
    use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
    let header = |name: &'static str, value: &'static str| Header::new(name, HeaderValue::String(value.into()));
    let message = Message::new_from_parts(
        vec![header(":message-type", "error"), header(":error-code", "internalFailure"), header(":error-message", "m")],
        Vec::new(),
    );
    let mut frame = Vec::new();
    aws_smithy_eventstream::frame::write_message_to(&message, &mut frame).unwrap();
    let (text, _) = unpacked(CONVERSE, &frame, 997);
    assert_eq!(
        text,
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"internalFailure\",\"message\":\"m\"}}\n\n"
    );
}

#[test]
fn lines_inside_of_an_event_stay_inside_of_it() {
    let mut out = Vec::new();
    write_event(b"n", b"{\r\n1}", &mut out);
    assert_eq!(out, b"event: n\ndata: {\ndata: \ndata: 1}\n\n");
}

#[test]
fn code_assist_is_taken_off_and_put_on() {
    let surface = Surface { dialect: Dialect::Gemini, wire: Wire::CodeAssist };
    let (plain, wrapped) = ("data: {\"n\":1.50}\r\n\r\n", "data: {\"response\":{\"n\":1.50}}\r\n\r\n");
    assert_eq!(packed(surface, plain), wrapped.as_bytes());
    for size in [1, 7, 997] {
        assert_eq!(unpacked(surface, wrapped.as_bytes(), size), (plain.to_owned(), Ok(())));
    }
    assert!(unpacker(Surface::plain(Dialect::Gemini)).is_none() && packer(Surface::plain(Dialect::Gemini)).is_none());
}
