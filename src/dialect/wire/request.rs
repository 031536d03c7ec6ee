//! A request's body with and without the Bedrock envelope (`upstreams.md` §2.4): the body has no model and no stream, but a
//! version and the betas. Done on bytes: everything else stays as the client wrote it.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use memchr::memmem;
use serde::Deserialize;
use serde_json::Value;

use crate::dialect::spans::{Member, cuts, elements, members, range_in, value_of, without};

/// What Bedrock calls the version of the Messages dialect.
const VERSION: &str = "bedrock-2023-05-31";

/// `max_tokens` is mandatory on Bedrock.
const DEFAULT_MAX_TOKENS: u64 = 4_096;

/// What goes into an envelope, and what does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Betas for the body, in order; they replace those that it has.
    pub betas: Vec<String>,
    /// Top-level fields that no sent beta allows.
    pub drop_fields: Vec<&'static str>,
    /// Drop `output_config` of single messages.
    pub drop_message_output: bool,
    /// Drop `scope` of `cache_control`.
    pub drop_cache_scope: bool,
}

/// The body of a Messages request as Bedrock's `invoke` takes it. A body that is no JSON object goes as it is: the vendor
/// says best what is wrong with it.
pub fn seal(body: &Bytes, envelope: &Envelope) -> Bytes {
    std::str::from_utf8(body).ok().and_then(|text| sealed(text, envelope)).map_or_else(|| body.clone(), Bytes::from)
}

fn sealed(text: &str, envelope: &Envelope) -> Option<Vec<u8>> {
    let fields = members(text)?;
    let drop =
        |name: &str| matches!(name, "model" | "stream" | "anthropic_beta") || envelope.drop_fields.contains(&name);
    let mut head = Vec::new();
    if value_of(&fields, "anthropic_version").is_none() {
        head.push(format!(r#""anthropic_version":"{VERSION}""#));
    }
    if !envelope.betas.is_empty() {
        head.push(format!(r#""anthropic_beta":{}"#, Value::from(envelope.betas.clone())));
    }
    if value_of(&fields, "max_tokens").is_none() {
        head.push(format!(r#""max_tokens":{DEFAULT_MAX_TOKENS}"#));
    }
    let (mut all, left) = field_cuts(text, &fields, drop);
    if envelope.drop_message_output && !drop("messages") {
        all.extend(message_outputs(text, value_of(&fields, "messages")));
    }
    if envelope.drop_cache_scope {
        for name in ["system", "tools", "messages"].into_iter().filter(|name| !drop(name)) {
            cache_scopes(text, value_of(&fields, name).unwrap_or_default(), &mut all);
        }
    }
    Some(with_head(&without(text, all), &head.join(","), left))
}

/// The cuts that remove fields, and whether any field is left.
fn field_cuts(text: &str, fields: &[Member<'_>], drop: impl Fn(&str) -> bool) -> (Vec<Range<usize>>, bool) {
    let spans: Vec<Range<usize>> =
        fields.iter().map(|m| range_in(text, m.name).start..range_in(text, m.value).end).collect();
    let keep: Vec<bool> = fields.iter().map(|m| !drop(m.name.trim_matches('"'))).collect();
    (cuts(&spans, &keep), keep.contains(&true))
}

/// An object's text with more members at its start.
fn with_head(object: &[u8], head: &str, members_follow: bool) -> Vec<u8> {
    let open = memchr::memchr(b'{', object).map_or(0, |at| at + 1);
    let mut out = Vec::with_capacity(object.len() + head.len() + 1);
    out.extend_from_slice(object.get(..open).unwrap_or_default());
    out.extend_from_slice(head.as_bytes());
    if members_follow && !head.is_empty() {
        out.push(b',');
    }
    out.extend_from_slice(object.get(open..).unwrap_or_default());
    out
}

fn message_outputs(text: &str, messages: Option<&str>) -> Vec<Range<usize>> {
    let messages = messages.and_then(elements).unwrap_or_default();
    let fields = messages.into_iter().filter_map(members);
    fields.flat_map(|fields| field_cuts(text, &fields, |name| name == "output_config").0).collect()
}

/// Finds `cache_control.scope` in blocks, tools and messages, and in the content that they hold.
fn cache_scopes(text: &str, value: &str, found: &mut Vec<Range<usize>>) {
    if memmem::find(value.as_bytes(), b"\"scope\"").is_none() {
        return;
    }
    for item in elements(value).unwrap_or_default() {
        let Some(fields) = members(item) else { continue };
        if let Some(control) = value_of(&fields, "cache_control").and_then(members) {
            found.extend(field_cuts(text, &control, |name| name == "scope").0);
        }
        cache_scopes(text, value_of(&fields, "content").unwrap_or_default(), found);
    }
}

/// The betas that a body names by itself.
pub fn betas(body: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        anthropic_beta: Vec<String>,
    }
    if memmem::find(body, b"\"anthropic_beta\"").is_none() {
        return Vec::new();
    }
    serde_json::from_slice::<Body>(body).map(|body| body.anthropic_beta).unwrap_or_default()
}

/// A Bedrock request's body as the plain dialect has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The body, with model and stream, without version and betas.
    pub body: Bytes,
    /// What the body said in `anthropic_beta`: the plain dialect says it in the header of that name.
    pub betas: Vec<String>,
}

/// Takes the envelope off, for an account that speaks the plain dialect; `None` when the body is no JSON object.
pub fn open(body: &[u8], model: &str, stream: bool) -> Option<Opened> {
    let text = std::str::from_utf8(body).ok()?;
    let fields = members(text)?;
    let drop = |name: &str| matches!(name, "model" | "stream" | "anthropic_version" | "anthropic_beta");
    let (all, left) = field_cuts(text, &fields, drop);
    let stream = if stream { r#","stream":true"# } else { "" };
    let head = format!(r#""model":{}{stream}"#, Value::from(model));
    Some(Opened { body: Bytes::from(with_head(&without(text, all), &head, left)), betas: betas(body) })
}

/// An `invoke` body as Bedrock's `count-tokens` takes it.
pub fn count(invoke_body: &[u8]) -> Vec<u8> {
    format!(r#"{{"input":{{"invokeModel":{{"body":"{}"}}}}}}"#, STANDARD.encode(invoke_body)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal_text(body: &str, envelope: &Envelope) -> String {
        String::from_utf8(seal(&Bytes::copy_from_slice(body.as_bytes()), envelope).to_vec()).unwrap()
    }

    #[test]
    fn the_envelope_leaves_every_other_byte_alone() {
        let body = r#"{ "model":"claude-x",  "temperature":1.0,"messages":[ {"role":"user","content":"\"model\""} ],"stream" : true, "max_tokens":64}"#;
        let expected = r#"{"anthropic_version":"bedrock-2023-05-31", "temperature":1.0,"messages":[ {"role":"user","content":"\"model\""} ], "max_tokens":64}"#;
        assert_eq!(seal_text(body, &Envelope::default()), expected);
    }

    #[test]
    fn what_is_missing_is_added_and_what_is_there_stays() {
        assert_eq!(
            seal_text(r#"{"messages":[]}"#, &Envelope::default()),
            r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":4096,"messages":[]}"#
        );
        assert_eq!(
            seal_text(r#"{"model":"m"}"#, &Envelope::default()),
            r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":4096}"#
        );
        assert_eq!(
            seal_text(r#"{"anthropic_version":"2026-10-21","max_tokens":1}"#, &Envelope::default()),
            r#"{"anthropic_version":"2026-10-21","max_tokens":1}"#
        );
        assert_eq!(seal_text("[1]", &Envelope::default()), "[1]");
        assert_eq!(seal_text("{", &Envelope::default()), "{");
    }

    #[test]
    fn betas_replace_those_of_the_body() {
        let envelope = Envelope { betas: vec!["a".into(), "b".into()], ..Envelope::default() };
        let body = r#"{"anthropic_beta":["x","a"],"max_tokens":1}"#;
        assert_eq!(betas(body.as_bytes()), ["x", "a"]);
        assert_eq!(
            seal_text(body, &envelope),
            r#"{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["a","b"],"max_tokens":1}"#
        );
    }

    #[test]
    fn fields_of_dropped_betas_go() {
        let envelope = Envelope {
            betas: Vec::new(),
            drop_fields: vec!["speed", "mcp_servers"],
            drop_message_output: true,
            drop_cache_scope: true,
        };
        let body = r#"{"max_tokens":1,"speed":"fast","mcp_servers":[{}],"output_config":{"effort":"low"},
            "system":[{"type":"text","text":"scope","cache_control":{"type":"ephemeral","scope":"global","ttl":"1h"}}],
            "tools":[{"name":"scope","cache_control":{"scope":"global"}}],
            "messages":[{"role":"system","content":"x","output_config":{"effort":"low"}},
              {"role":"user","output_config":{},"content":[{"type":"tool_result","content":[{"cache_control":{"type":"ephemeral","scope":"x"}}]}]}]}"#;
        let sealed: Value = serde_json::from_str(&seal_text(body, &envelope)).unwrap();
        let expected = serde_json::json!({
            "anthropic_version": VERSION, "max_tokens": 1, "output_config": {"effort": "low"},
            "system": [{"type": "text", "text": "scope", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "tools": [{"name": "scope", "cache_control": {}}],
            "messages": [{"role": "system", "content": "x"},
                {"role": "user", "content": [{"type": "tool_result", "content": [{"cache_control": {"type": "ephemeral"}}]}]}],
        });
        assert_eq!(sealed, expected);
    }

    #[test]
    fn opening_gives_the_plain_body() {
        let opened =
            open(br#"{"anthropic_version":"2026-10-21", "max_tokens":1.0,"anthropic_beta":["b"]}"#, "m\"", true);
        let opened = opened.unwrap();
        assert_eq!(opened.body, &br#"{"model":"m\"","stream":true,"max_tokens":1.0}"#[..]);
        assert_eq!(opened.betas, ["b"]);
        assert_eq!(open(b"{}", "m", false).unwrap().body, &br#"{"model":"m"}"#[..]);
        assert_eq!(open(b"[]", "m", false), None);
    }

    #[test]
    fn a_count_wraps_the_body() {
        assert_eq!(count(b"{}"), br#"{"input":{"invokeModel":{"body":"e30="}}}"#);
    }
}
