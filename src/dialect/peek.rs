//! Reads the few request fields that decide where a request goes, without copying or rewriting the body.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Deepest nesting that is accepted; serde_json itself refuses more on every path that parses values.
pub const MAX_DEPTH: usize = 128;

/// What the relay needs to know of a request body. Everything else stays unread.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peek<'a> {
    /// Requested model as the client wrote it, routing prefix and suffix included; `None` where another place names it.
    pub model: Option<Cow<'a, str>>,
    /// Bytes of the model's JSON string literal in the body, quotes included.
    pub model_span: Option<Range<usize>>,
    /// True only for a literal `true`; absent means not streaming.
    pub stream: bool,
    /// Longest answer that is allowed, by whatever name, when it is a whole number.
    pub max_tokens: Option<u64>,
    /// The members that hold a prompt in one dialect or another, as far as they are present.
    pub prompts: Vec<&'static str>,
    /// `metadata.user_id`.
    pub metadata_user_id: Option<Cow<'a, str>>,
    /// Top-level `session_id`.
    pub session_id: Option<Cow<'a, str>>,
    /// Top-level `conversation_id`.
    pub conversation_id: Option<Cow<'a, str>>,
    /// Top-level `prompt_cache_key`.
    pub prompt_cache_key: Option<Cow<'a, str>>,
    /// Top-level `previous_response_id`: only the account that made that answer has it.
    pub previous_response_id: Option<Cow<'a, str>>,
}

/// Why a body cannot be relayed at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeekError {
    /// Not a JSON object.
    #[error("the request body is not a JSON object")]
    NotJson,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("the request body is nested too deeply")]
    TooDeep,
    /// `model` is not a string.
    #[error("model: a string is required")]
    NoModel,
}

/// Members that hold a prompt.
const PROMPTS: [&str; 5] = ["messages", "input", "contents", "prompt", "request"];
/// Members that hold the longest answer directly.
const LONGEST: [&str; 3] = ["max_tokens", "max_completion_tokens", "max_output_tokens"];

/// Peeks into a request body of any dialect. Duplicate members: the last one counts, as for the vendors.
///
/// # Errors
/// See [`PeekError`]; a missing model or prompt is not an error here, the route decides.
pub fn peek(body: &[u8]) -> Result<Peek<'_>, PeekError> {
    if too_deep(body) {
        return Err(PeekError::TooDeep);
    }
    let fields: Fields<'_> = serde_json::from_slice(body).map_err(|_| PeekError::NotJson)?;
    let literal = fields.model.map(RawValue::get);
    let model = literal.map(|literal| text(literal).ok_or(PeekError::NoModel)).transpose()?;
    let span = |literal: &str| {
        let start = literal.as_ptr().addr() - body.as_ptr().addr();
        start..start + literal.len()
    };
    let nested = || fields.nested.and_then(nested_longest);
    Ok(Peek {
        model,
        model_span: literal.map(span),
        stream: fields.stream.is_some_and(|raw| raw.get() == "true"),
        max_tokens: fields.max_tokens.and_then(|raw| raw.get().parse().ok()).or_else(nested),
        prompts: fields.prompts,
        metadata_user_id: fields.metadata.and_then(user_id),
        session_id: fields.session_id.and_then(|raw| text(raw.get())),
        conversation_id: fields.conversation_id.and_then(|raw| text(raw.get())),
        prompt_cache_key: fields.prompt_cache_key.and_then(|raw| text(raw.get())),
        previous_response_id: fields.previous_response_id.and_then(|raw| text(raw.get())),
    })
}

/// The text of a JSON string literal with its quotes; `None` when the bytes are none.
pub fn literal_text(literal: &[u8]) -> Option<Cow<'_, str>> {
    std::str::from_utf8(literal).ok().and_then(text)
}

/// A JSON string literal, unescaped only when it has to be.
pub(super) fn text(literal: &str) -> Option<Cow<'_, str>> {
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(literal).ok().map(Cow::Owned)
}

/// The longest answer where it stands in an object of settings (Gemini, Converse).
fn nested_longest(settings: &RawValue) -> Option<u64> {
    #[derive(Deserialize)]
    struct Settings<'a> {
        #[serde(borrow, default, rename = "maxOutputTokens", alias = "maxTokens")]
        longest: Option<&'a RawValue>,
    }
    serde_json::from_str::<Settings<'_>>(settings.get()).ok()?.longest?.get().parse().ok()
}

fn user_id(metadata: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow, default)]
        user_id: Option<&'a RawValue>,
    }
    serde_json::from_str::<Metadata<'_>>(metadata.get()).ok()?.user_id.and_then(|raw| text(raw.get()))
}

/// Counts brackets outside of strings; strings, which are most of a body, are skipped by `memchr`.
fn too_deep(body: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(body, at),
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// The position after the closing quote of a string whose content starts at `at`. Quotes are rarer than escapes, so only
/// they are searched for: one is part of the text when an odd number of backslashes stands before it.
pub(super) fn string_end(body: &[u8], at: usize) -> usize {
    let mut from = at;
    while let Some(found) = body.get(from..).and_then(|rest| memchr::memchr(b'"', rest)) {
        let quote = from + found;
        let content = body.get(at..quote).unwrap_or_default();
        let backslashes = content.iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 0 {
            return quote + 1;
        }
        from = quote + 1;
    }
    body.len()
}

#[derive(Default)]
struct Fields<'a> {
    model: Option<&'a RawValue>,
    stream: Option<&'a RawValue>,
    max_tokens: Option<&'a RawValue>,
    nested: Option<&'a RawValue>,
    prompts: Vec<&'static str>,
    metadata: Option<&'a RawValue>,
    session_id: Option<&'a RawValue>,
    conversation_id: Option<&'a RawValue>,
    prompt_cache_key: Option<&'a RawValue>,
    previous_response_id: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(Key(key)) = map.next_key()? {
            match &*key {
                "model" => fields.model = Some(map.next_value()?),
                "stream" => fields.stream = Some(map.next_value()?),
                name if LONGEST.contains(&name) => fields.max_tokens = Some(map.next_value()?),
                "generationConfig" | "inferenceConfig" => fields.nested = Some(map.next_value()?),
                "metadata" => fields.metadata = Some(map.next_value()?),
                "session_id" => fields.session_id = Some(map.next_value()?),
                "conversation_id" => fields.conversation_id = Some(map.next_value()?),
                "prompt_cache_key" => fields.prompt_cache_key = Some(map.next_value()?),
                "previous_response_id" => fields.previous_response_id = Some(map.next_value()?),
                other => {
                    fields.prompts.extend(PROMPTS.into_iter().find(|name| *name == other));
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}

/// A member name, borrowed unless it holds an escape.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_fields_and_where_the_model_stands() {
        let body = br#" {"max_tokens": 64, "messages":[{"role":"user","content":"\"model\": [[["}],
            "model" : "claude-\u0078", "stream":true, "session_id":"s1",
            "metadata":{"user_id":"{\"session_id\":\"abc\"}"}}"#;
        let peek = peek(body).unwrap();
        assert_eq!(peek.model.as_deref(), Some("claude-x"));
        assert_eq!(&body[peek.model_span.unwrap()], br#""claude-\u0078""#);
        assert!(peek.stream);
        assert_eq!(peek.prompts, ["messages"]);
        assert_eq!(peek.max_tokens, Some(64));
        assert_eq!(peek.session_id.as_deref(), Some("s1"));
        assert_eq!(peek.metadata_user_id.as_deref(), Some(r#"{"session_id":"abc"}"#));
    }

    #[test]
    fn the_last_of_two_equal_members_counts() {
        let body = br#"{"model":"a","stream":true,"model":"b","stream":false}"#;
        let peek = peek(body).unwrap();
        assert_eq!(peek.model.as_deref(), Some("b"));
        assert_eq!(&body[peek.model_span.unwrap()], br#""b""#);
        assert!(!peek.stream && peek.prompts.is_empty());
    }

    #[test]
    fn a_plain_model_is_borrowed() {
        assert!(matches!(peek(br#"{"model":"a"}"#).unwrap().model, Some(Cow::Borrowed("a"))));
    }

    #[test]
    fn refuses_what_cannot_be_relayed() {
        let deep = format!(r#"{{"model":"a","x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        let flat = format!(r#"{{"model":"a","x":"{}"}}"#, "[".repeat(200));
        for (body, expected) in [
            ("", Some(PeekError::NotJson)),
            ("[]", Some(PeekError::NotJson)),
            (r#"{"model":"a""#, Some(PeekError::NotJson)),
            (r#"{"model":"a"} x"#, Some(PeekError::NotJson)),
            (r#"{"messages":[]}"#, None),
            (r#"{"model":3}"#, Some(PeekError::NoModel)),
            (deep.as_str(), Some(PeekError::TooDeep)),
            (flat.as_str(), None),
            (r#"{"model":"a","x":"\\\\"}"#, None),
            (r#"{"model":"a","x":"\\\"[[\\"}"#, None),
        ] {
            assert_eq!(peek(body.as_bytes()).err(), expected, "{body}");
        }
    }

    #[test]
    fn every_dialect_names_its_prompt_and_its_longest_answer() {
        for (body, prompts, longest) in [
            (r#"{"input":"x","max_output_tokens":9}"#, vec!["input"], Some(9)),
            (r#"{"messages":[],"max_completion_tokens":8}"#, vec!["messages"], Some(8)),
            (r#"{"contents":[],"generationConfig":{"maxOutputTokens":7}}"#, vec!["contents"], Some(7)),
            (r#"{"messages":[],"inferenceConfig":{"maxTokens":6}}"#, vec!["messages"], Some(6)),
            (r#"{"request":{},"generationConfig":[]}"#, vec!["request"], None),
        ] {
            let peek = peek(body.as_bytes()).unwrap();
            assert_eq!((peek.prompts, peek.max_tokens), (prompts, longest), "{body}");
        }
    }

    #[test]
    fn odd_types_are_left_to_the_vendor() {
        let peek = peek(br#"{"model":"a","stream":"true","max_tokens":1.5,"metadata":7,"messages":null}"#).unwrap();
        assert!(!peek.stream);
        assert_eq!((peek.max_tokens, peek.metadata_user_id), (None, None));
    }
}
