//! Finds the value that names a client's session, so that its requests stay on one account (`scheduling.md` §8).

use std::borrow::Cow;

use actix_http::header::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::peek::{Peek, text};
use super::spans::elements;

/// Headers that name a session, in the order in which they count.
const HEADERS: [&str; 7] = [
    "x-session-id",
    "x-claude-code-session-id",
    "session-id",
    "session_id",
    "conversation_id",
    "thread-id",
    "x-session-affinity",
];

/// A system block that changes with the client's version and says nothing about the session.
const BILLING_BLOCK: &str = "x-anthropic-billing-header";

/// The first non-empty session value, in the order of `scheduling.md` §8; the body is parsed deeper only when headers and
/// top-level fields name none. `None` = not sticky.
pub fn session_value(headers: &HeaderMap, peek: &Peek<'_>, body: &[u8]) -> Option<String> {
    from_headers(headers)
        .or_else(|| peek.metadata_user_id.as_deref().and_then(from_user_id))
        .or_else(|| from_fields(peek))
        .or_else(|| from_content(body))
}

fn non_empty(value: &str) -> Option<String> {
    let value = value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

fn from_headers(headers: &HeaderMap) -> Option<String> {
    HEADERS.iter().find_map(|name| headers.get(*name)?.to_str().ok().and_then(non_empty))
}

/// `{"device_id","account_uuid","session_id"}` as text, or the old form `user_<…>_account_<…>_session_<uuid>`.
fn from_user_id(user_id: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct UserId {
        #[serde(default)]
        session_id: Option<String>,
    }
    match serde_json::from_str::<UserId>(user_id) {
        Ok(UserId { session_id }) => session_id.as_deref().and_then(non_empty),
        Err(_) => user_id.split_once("_session_").and_then(|(_, session)| non_empty(session)),
    }
}

fn from_fields(peek: &Peek<'_>) -> Option<String> {
    [&peek.session_id, &peek.conversation_id, &peek.prompt_cache_key]
        .into_iter()
        .find_map(|field| field.as_deref().and_then(non_empty))
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    system: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(borrow, default)]
    messages: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    role: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

/// A content block or a tool, as far as it can name a session.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    description: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cache_control: Option<&'a RawValue>,
}

impl<'a> Part<'a> {
    fn marked(&self) -> bool {
        self.cache_control.is_some()
    }

    fn texts(&self) -> impl Iterator<Item = Cow<'a, str>> {
        [self.name, self.description, self.text].into_iter().flatten().filter_map(|raw| text(raw.get()))
    }
}

fn from_content(body: &[u8]) -> Option<String> {
    let content: Content<'_> = serde_json::from_slice(body).ok()?;
    let messages: Vec<Message<'_>> = content
        .messages
        .and_then(|raw| elements(raw.get()))
        .unwrap_or_default()
        .into_iter()
        .filter_map(|message| serde_json::from_str(message).ok())
        .collect();
    from_cache_marks(&content, messages.first()).or_else(|| {
        let user = messages.iter().find(|message| message.role.is_some_and(|role| role.get() == "\"user\""))?;
        non_empty(&message_text(user))
    })
}

/// The text of the parts marked for the prompt cache: what stays equal from turn to turn.
fn from_cache_marks(content: &Content<'_>, first: Option<&Message<'_>>) -> Option<String> {
    let mut value = String::new();
    for part in parts(content.system).iter().chain(&parts(content.tools)).filter(|part| part.marked()) {
        part.texts().filter(|text| !text.starts_with(BILLING_BLOCK)).for_each(|text| value.push_str(&text));
    }
    if let Some(first) = first.filter(|message| parts(message.content).iter().any(Part::marked)) {
        value.push_str(&message_text(first));
    }
    non_empty(&value)
}

fn parts(list: Option<&RawValue>) -> Vec<Part<'_>> {
    let elements = list.and_then(|raw| elements(raw.get())).unwrap_or_default();
    elements.into_iter().filter_map(|part| serde_json::from_str(part).ok()).collect()
}

fn message_text(message: &Message<'_>) -> String {
    let plain = message.content.and_then(|raw| text(raw.get()));
    plain.map_or_else(
        || parts(message.content).iter().filter_map(|part| part.text).filter_map(|raw| text(raw.get())).collect(),
        Cow::into_owned,
    )
}

#[cfg(test)]
mod tests {
    use actix_http::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::dialect::peek::peek;

    fn value(headers: &[(&'static str, &'static str)], body: &str) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let body = body.replacen('{', r#"{"model":"m","#, 1);
        session_value(&map, &peek(body.as_bytes()).unwrap(), body.as_bytes())
    }

    #[test]
    fn the_order_of_the_reference_holds() {
        let body = r#"{"metadata":{"user_id":"{\"device_id\":\"d\",\"session_id\":\"meta\"}"},"session_id":"field","prompt_cache_key":"key",
            "system":[{"type":"text","text":"SYS","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"hi"}]}"#;
        let headers =
            [("x-session-id", "a"), ("x-claude-code-session-id", "b"), ("session_id", "c"), ("conversation_id", "d")];
        for (skip, expected) in [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "meta")] {
            assert_eq!(value(&headers[skip..], body).as_deref(), Some(expected));
        }
        assert_eq!(value(&[("x-session-id", " ")], body).as_deref(), Some("meta"));
        let body = body.replace("user_id", "other");
        assert_eq!(value(&[], &body).as_deref(), Some("field"));
        let body = body.replace("session_id", "x");
        assert_eq!(value(&[], &body).as_deref(), Some("key"));
        let body = body.replace("prompt_cache_key", "y");
        assert_eq!(value(&[], &body).as_deref(), Some("SYS"));
        let body = body.replace("cache_control", "z");
        assert_eq!(value(&[], &body).as_deref(), Some("hi"));
        assert_eq!(value(&[], r#"{"messages":[]}"#), None);
    }

    #[test]
    fn both_forms_of_the_user_id_are_read() {
        let old = r#"{"metadata":{"user_id":"user_0a_account__session_11-22"},"messages":[]}"#;
        assert_eq!(value(&[], old).as_deref(), Some("11-22"));
        let other = r#"{"metadata":{"user_id":"alice"},"messages":[{"role":"user","content":"first"}]}"#;
        assert_eq!(value(&[], other).as_deref(), Some("first"));
        let empty =
            r#"{"metadata":{"user_id":"{\"session_id\":\"\"}"},"messages":[{"role":"user","content":"first"}]}"#;
        assert_eq!(value(&[], empty).as_deref(), Some("first"));
    }

    #[test]
    fn marked_parts_make_the_value_and_the_billing_block_does_not() {
        let body = r#"{"system":[{"text":"x-anthropic-billing-header: v=1;","cache_control":{"a":1}},{"text":"no"},{"text":"S","cache_control":{}}],
            "tools":[{"name":"T","description":"D","cache_control":{}},{"name":"U"}],
            "messages":[{"role":"user","content":[{"type":"text","text":"one "},{"type":"text","text":"two","cache_control":{}}]}]}"#;
        assert_eq!(value(&[], body).as_deref(), Some("STDone two"));
    }

    #[test]
    fn the_first_user_message_is_the_last_resort() {
        let body = r#"{"system":"S","messages":[{"role":"system","content":"env"},{"role":"user","content":[{"type":"image"},{"type":"text","text":"q"}]}]}"#;
        assert_eq!(value(&[], body).as_deref(), Some("q"));
    }
}
