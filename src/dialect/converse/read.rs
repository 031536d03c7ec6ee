//! Reads a complete (non-stream) answer, and token counts.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::usage::{self, ServiceTier};
use crate::dialect::estimate::TextBytes;
use crate::dialect::read::Read;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    output: Output<'a>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    service_tier: Option<ServiceTier>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    message: Message<'a>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: &'a RawValue,
}

/// Reads a whole answer; `None` when the body is none: not JSON to its end, or without a content list. Converse says
/// neither an id nor a model.
pub fn read(body: &[u8]) -> Option<Read> {
    let wire: Wire<'_> = serde_json::from_slice(body).ok()?;
    let content = wire.output.message.content.get();
    if !content.starts_with('[') {
        return None;
    }
    let mut usage = wire.usage.and_then(|raw| usage::usage(raw.get()));
    if let (Some(usage), Some(tier)) = (&mut usage, &wire.service_tier) {
        usage.tier = tier.tier();
    }
    Some(Read {
        id: None,
        model: None,
        stop_reason: wire.stop_reason,
        usage,
        output: TextBytes::of(content.as_bytes()),
    })
}

/// The number in the answer of Bedrock's `count-tokens`; `None` when the body is none.
pub fn count_of_json(body: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Count {
        input_tokens: u64,
    }
    serde_json::from_slice::<Count>(body).ok().map(|count| count.input_tokens)
}

#[cfg(test)]
mod tests {
    use actors::domain::usage::Tier;

    use super::*;

    #[test]
    fn an_answer_is_read_and_half_of_one_is_not() {
        let body = br#"{"metrics":{"latencyMs":425},"output":{"message":{"content":[{"toolUse":{"input":{"x":20},"name":"add","toolUseId":"t"}}],"role":"assistant"}},
            "stopReason":"tool_use","serviceTier":{"type":"flex"},"usage":{"inputTokens":512,"outputTokens":21,"serverToolUsage":{},"totalTokens":533}}"#;
        let answer = read(body).unwrap();
        assert_eq!(answer.stop_reason.as_deref(), Some("tool_use"));
        let usage = answer.usage.unwrap();
        assert_eq!((usage.tokens.input, usage.tokens.output, usage.tier), (512, 21, Tier::Flex));
        assert_eq!(read(&body[..body.len() - 1]), None);
        assert_eq!(read(br#"{"message":"no"}"#), None);
        assert_eq!(count_of_json(br#"{"inputTokens":42}"#), Some(42));
    }
}
