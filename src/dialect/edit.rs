//! The named body edits of `upstreams.md` §1.3, done on bytes: everything that is not edited stays as the client wrote it.

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;

use super::spans::{cuts, elements, members, range_in, value_of, without};

/// The body with the string literal at `span` (quotes included) replaced by `new`. A span outside of the body changes nothing.
pub fn rename_model(body: &Bytes, span: Range<usize>, new: &str) -> Bytes {
    let (Some(before), Some(after)) = (body.get(..span.start), body.get(span.end..)) else { return body.clone() };
    let literal = serde_json::Value::from(new).to_string();
    let mut out = Vec::with_capacity(before.len() + literal.len() + after.len());
    out.extend_from_slice(before);
    out.extend_from_slice(literal.as_bytes());
    out.extend_from_slice(after);
    Bytes::from(out)
}

/// The body without `thinking` and `redacted_thinking` blocks in its history (`thinking.strip_foreign`); `None` when there
/// is nothing to strip. Messages that became empty go too, and the `thinking` field goes when the last assistant message
/// holds a `tool_use`, because the vendor would miss the stripped block there (`scheduling.md` §16).
pub fn strip_thinking(body: &[u8]) -> Option<Vec<u8>> {
    memmem::find(body, b"thinking\"")?;
    let body = std::str::from_utf8(body).ok()?;
    let fields = members(body)?;
    let messages: Vec<Message> =
        elements(value_of(&fields, "messages")?)?.into_iter().map(|text| Message::read(body, text)).collect();
    if messages.iter().all(|message| message.cuts.is_empty() && !message.emptied) {
        return None;
    }
    let keep: Vec<bool> = messages.iter().map(|message| !message.emptied).collect();
    let spans: Vec<Range<usize>> = messages.iter().map(|message| message.span.clone()).collect();
    let mut all = cuts(&spans, &keep);
    let last_assistant = messages.iter().rev().find(|message| message.assistant && !message.emptied);
    if last_assistant.is_some_and(|message| message.tool_use) {
        let members: Vec<Range<usize>> =
            fields.iter().map(|m| range_in(body, m.name).start..range_in(body, m.value).end).collect();
        let keep: Vec<bool> = fields.iter().map(|m| m.name != "\"thinking\"").collect();
        all.extend(cuts(&members, &keep));
    }
    all.extend(messages.into_iter().filter(|message| !message.emptied).flat_map(|message| message.cuts));
    Some(without(body, all))
}

/// A message of the history, as far as stripping is concerned.
struct Message {
    span: Range<usize>,
    assistant: bool,
    tool_use: bool,
    /// Nothing but thinking was in it.
    emptied: bool,
    cuts: Vec<Range<usize>>,
}

impl Message {
    fn read(body: &str, text: &str) -> Self {
        let span = range_in(body, text);
        let fields = members(text).unwrap_or_default();
        let blocks = value_of(&fields, "content").and_then(elements).unwrap_or_default();
        let types: Vec<Option<&str>> =
            blocks.iter().map(|block| members(block).and_then(|m| value_of(&m, "type"))).collect();
        let keep: Vec<bool> =
            types.iter().map(|name| !matches!(name, Some("\"thinking\"" | "\"redacted_thinking\""))).collect();
        let spans: Vec<Range<usize>> = blocks.iter().map(|block| range_in(body, block)).collect();
        Self {
            span,
            assistant: value_of(&fields, "role") == Some("\"assistant\""),
            tool_use: types.contains(&Some("\"tool_use\"")),
            emptied: !keep.is_empty() && keep.iter().all(|k| !k),
            cuts: cuts(&spans, &keep),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::peek::peek;

    fn strip(body: &str) -> Option<String> {
        strip_thinking(body.as_bytes()).map(|out| String::from_utf8(out).unwrap())
    }

    #[test]
    fn renaming_splices_and_escapes() {
        let body = Bytes::from_static(br#"{ "z": 1.10, "model" : "ccr,a", "messages":[ ] }"#);
        let span = peek(&body).unwrap().model_span.unwrap();
        assert_eq!(
            rename_model(&body, span.clone(), "b\"\\"),
            &br#"{ "z": 1.10, "model" : "b\"\\", "messages":[ ] }"#[..]
        );
        assert_eq!(rename_model(&body, 900..901, "b"), body);
        assert_eq!(rename_model(&body, span, "ccr,a"), body);
    }

    #[test]
    fn thinking_goes_and_everything_else_stays_byte_for_byte() {
        let body = r#"{"model":"m",  "temperature":1.0,"thinking":{"type":"adaptive"},"messages":[
  {"role":"user","content":"think about \"thinking\""},
  {"role":"assistant","content":[ {"type":"thinking","thinking":"a","signature":"s"} ,  {"type":"text","text":"b","n":1e2},{"type":"redacted_thinking","data":"x"}]},
  {"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"s"}]},
  {"role":"user","content":[{"type":"text","text":"c"}]}],"stream":true}"#;
        let expected = r#"{"model":"m",  "temperature":1.0,"thinking":{"type":"adaptive"},"messages":[
  {"role":"user","content":"think about \"thinking\""},
  {"role":"assistant","content":[ {"type":"text","text":"b","n":1e2}]},
  {"role":"user","content":[{"type":"text","text":"c"}]}],"stream":true}"#;
        assert_eq!(strip(body).as_deref(), Some(expected));
    }

    #[test]
    fn a_tool_use_without_its_thinking_turns_thinking_off() {
        let body = r#"{"thinking":{"type":"enabled"},"messages":[{"role":"assistant","content":[{"type":"thinking"},{"type":"tool_use","id":"t"}]},{"role":"user","content":[{"type":"tool_result"}]}]}"#;
        let expected = r#"{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t"}]},{"role":"user","content":[{"type":"tool_result"}]}]}"#;
        assert_eq!(strip(body).as_deref(), Some(expected));
    }

    #[test]
    fn nothing_to_strip_is_no_edit() {
        for body in [
            r#"{"messages":[{"role":"user","content":"x"}]}"#,
            r#"{"thinking":{"type":"adaptive"},"messages":[{"role":"user","content":[{"type":"text","text":"\"thinking\""}]}]}"#,
            r#"{"thinking":1}"#,
            "[]",
            "thinking\"",
        ] {
            assert_eq!(strip(body), None, "{body}");
        }
    }
}
