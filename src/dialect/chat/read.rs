//! Reads a complete answer as far as the relay acts on it: chat, legacy completions, embeddings, images, transcriptions.

use serde_json::value::RawValue;

use super::chunk::{Chunk, says, string, text_bytes};
use super::usage::UsageFold;
use crate::dialect::estimate::TextBytes;
use crate::dialect::read::Read;

/// Reads a whole answer; `None` when the body is no complete answer: not JSON to its end, without anything that an answer
/// of this family holds (`choices`, `data`, `text`), or nothing but an error.
pub fn read(body: &[u8]) -> Option<Read> {
    let answer: Chunk<'_> = serde_json::from_slice(body).ok()?;
    let has_choices = answer.choices.as_ref().is_some_and(|choices| !choices.is_empty());
    let is_answer = answer.choices.is_some() || is_list(answer.data) || answer.text.is_some();
    if !is_answer || (answer.error.is_some_and(says) && !has_choices) {
        return None;
    }
    let choices = answer.choices.unwrap_or_default();
    let mut output = answer.text.map(text_bytes).unwrap_or_default();
    for choice in &choices {
        output += choice.message.as_ref().map_or_else(TextBytes::default, super::chunk::Content::bytes);
        output += choice.text.map(text_bytes).unwrap_or_default();
    }
    Some(Read {
        id: string(answer.id),
        model: string(answer.model),
        stop_reason: choices.first().and_then(|choice| string(choice.finish_reason)),
        usage: usage(answer.usage, answer.service_tier),
        output,
    })
}

fn usage(usage: Option<&RawValue>, tier: Option<&RawValue>) -> Option<actors::domain::usage::Usage> {
    let mut fold = UsageFold::default();
    fold.update(usage?.get());
    if let Some(tier) = tier {
        fold.service_tier(tier.get());
    }
    fold.usage()
}

fn is_list(value: Option<&RawValue>) -> bool {
    value.is_some_and(|value| value.get().starts_with('['))
}

#[cfg(test)]
mod tests {
    use actors::domain::usage::Tier;

    use super::*;

    #[test]
    fn a_chat_answer_is_read_and_half_of_one_is_not() {
        let body = br#"{"id":"chatcmpl-1","object":"chat.completion","model":"m","service_tier":"priority",
            "choices":[{"index":0,"message":{"role":"assistant","content":"hi\n","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],
            "usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}"#;
        let answer = read(body).unwrap();
        assert_eq!((answer.id.as_deref(), answer.stop_reason.as_deref()), (Some("chatcmpl-1"), Some("tool_calls")));
        assert_eq!(answer.output, TextBytes { ascii: 5, other: 0 });
        let usage = answer.usage.unwrap();
        assert_eq!((usage.tokens.total(), usage.tier), (8, Tier::Priority));
        assert_eq!(read(&body[..body.len() - 1]), None);
    }

    #[test]
    fn the_neighbours_are_read_too() {
        let tokens = |body: &str| read(body.as_bytes()).unwrap().usage.map(|usage| usage.tokens.total());
        let embeddings = r#"{"object":"list","data":[{"embedding":"AAA="}],"model":"e","usage":{"prompt_tokens":11,"total_tokens":11}}"#;
        assert_eq!(tokens(embeddings), Some(11));
        assert_eq!(tokens(r#"{"created":1,"data":[{"b64_json":"AA"}]}"#), None);
        assert_eq!(tokens(r#"{"created":1,"data":[],"usage":{"input_tokens":2,"output_tokens":3}}"#), Some(5));
        assert_eq!(
            tokens(
                r#"{"choices":[{"text":"x","finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#
            ),
            Some(2)
        );
        assert_eq!(read(br#"{"text":"hello"}"#).unwrap().output, TextBytes { ascii: 5, other: 0 });
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for body in
            ["", "<html>", "{}", r#"{"error":{"message":"m"}}"#, r#"{"error":"m","choices":[]}"#, r#"{"data":{}}"#]
        {
            assert_eq!(read(body.as_bytes()), None, "{body}");
        }
    }
}
