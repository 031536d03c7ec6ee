//! Usage as the vendor reports it, normalised (`metering.md` §2.3): only whole answers and terminal events carry it.

use actors::domain::usage::{Tier, Tokens, Usage, UsagePart};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Bills image tokens of an answer that does not say which image model drew.
const IMAGE_MODEL: &str = "gpt-image-1";

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
}

/// The vendor's usage object (JSON text); `None` when it is none.
pub fn usage(object: &str) -> Option<Usage> {
    let wire: Value = serde_json::from_str(object).ok()?;
    let mut usage = Usage::of(vec![UsagePart { model: None, tokens: tokens(&wire)? }]);
    usage.raw = Some(object.to_owned());
    Some(usage)
}

/// Usage of a whole `response` object (JSON text), with its tier and with what the vendor's own tools used; `None` when the
/// object has no usage.
pub fn of_response(object: &str) -> Option<Usage> {
    let response: Response<'_> = serde_json::from_str(object).ok()?;
    let raw = response.usage?.get();
    let mut parts = vec![UsagePart { model: None, tokens: tokens(&serde_json::from_str(raw).ok()?)? }];
    if let Some(tools) = response.tool_usage.and_then(value) {
        if let Some(first) = parts.first_mut() {
            first.tokens.web_search = count(&tools, "/web_search/num_requests");
        }
        parts.extend(images(&tools, response.tools));
    }
    let mut usage = Usage::of(parts);
    usage.tier = response.service_tier.and_then(value).map(|name| tier(&name)).unwrap_or_default();
    usage.raw = Some(raw.to_owned());
    Some(usage)
}

/// Cache reads and writes stand inside `input_tokens`.
fn tokens(wire: &Value) -> Option<Tokens> {
    wire.get("input_tokens").or_else(|| wire.get("output_tokens"))?.as_u64()?;
    let cache_read = count(wire, "/input_tokens_details/cached_tokens");
    let cache_w5m = count(wire, "/input_tokens_details/cache_write_tokens");
    Some(Tokens {
        input: count(wire, "/input_tokens").saturating_sub(cache_read).saturating_sub(cache_w5m),
        cache_read,
        cache_w5m,
        output: count(wire, "/output_tokens"),
        reasoning: count(wire, "/output_tokens_details/reasoning_tokens"),
        ..Tokens::default()
    })
}

/// Images that the answer's model had drawn: priced as the image model's tokens.
fn images(tool_usage: &Value, tools: Option<&RawValue>) -> Option<UsagePart> {
    let input = count(tool_usage, "/image_gen/input_tokens");
    let output = count(tool_usage, "/image_gen/output_tokens");
    if input == 0 && output == 0 {
        return None;
    }
    let tools = tools.and_then(value).unwrap_or_default();
    let drawer = tools.as_array().and_then(|tools| tools.iter().find(|tool| tool["type"] == "image_generation"));
    let model = drawer.and_then(|tool| tool.get("model")).and_then(Value::as_str).unwrap_or(IMAGE_MODEL).to_owned();
    Some(UsagePart { model: Some(model), tokens: Tokens { input, output, ..Tokens::default() } })
}

fn tier(name: &Value) -> Tier {
    match name.as_str() {
        Some("priority") => Tier::Priority,
        Some("flex") => Tier::Flex,
        Some("batch") => Tier::Batch,
        _ => Tier::Standard,
    }
}

fn count(wire: &Value, pointer: &str) -> u64 {
    wire.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

fn value(raw: &RawValue) -> Option<Value> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_is_taken_out_of_the_input() {
        let text = r#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":30,"cache_write_tokens":20},
            "output_tokens":9,"output_tokens_details":{"reasoning_tokens":40},"total_tokens":109}"#;
        let usage = usage(text).unwrap();
        let tokens = Tokens { input: 50, cache_read: 30, cache_w5m: 20, output: 9, reasoning: 9, ..Tokens::default() };
        assert_eq!((usage.tokens, usage.tokens.total()), (tokens, 109));
        assert_eq!(usage.raw.as_deref(), Some(text));
    }

    #[test]
    fn counts_never_go_below_zero_and_nonsense_is_no_usage() {
        let usage_of = |text: &str| usage(text).map(|usage| usage.tokens);
        let more_cached = r#"{"input_tokens":5,"input_tokens_details":{"cached_tokens":8,"cache_write_tokens":null}}"#;
        assert_eq!(usage_of(more_cached).unwrap().input, 0);
        for none in ["null", "{}", "[]", "7", r#"{"input_tokens":"5"}"#, "{"] {
            assert_eq!(usage_of(none), None, "{none}");
        }
    }

    #[test]
    fn the_response_adds_tier_searches_and_images() {
        let usage = of_response(
            r#"{"service_tier":"flex","tools":[{"type":"image_generation","model":"gpt-image-2"}],
            "tool_usage":{"image_gen":{"input_tokens":3,"output_tokens":4},"web_search":{"num_requests":2}},
            "usage":{"input_tokens":10,"output_tokens":1}}"#,
        )
        .unwrap();
        assert_eq!((usage.tier, usage.tokens.web_search, usage.tokens.total()), (Tier::Flex, 2, 18));
        assert_eq!(usage.parts[1].model.as_deref(), Some("gpt-image-2"));
        assert_eq!(of_response(r#"{"usage":null,"service_tier":"default"}"#), None);
        assert_eq!(of_response(r#"{"usage":{"input_tokens":1},"service_tier":null}"#).unwrap().tier, Tier::Standard);
    }
}
