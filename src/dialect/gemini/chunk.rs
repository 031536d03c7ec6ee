//! An answer, or one event of a streamed answer, as the vendor writes it: both have the same form. Only what the relay acts
//! on is read, and read leniently: text stays a span of the body until somebody wants it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::estimate::TextBytes;
use crate::dialect::form::StopReason;
use crate::dialect::peek::text;

/// An answer or a part of one.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow)]
    pub(super) prompt_feedback: Option<PromptFeedback<'a>>,
    #[serde(borrow)]
    pub(super) usage_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) model_version: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) response_id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    /// The answer inside of the Code Assist envelope.
    #[serde(borrow)]
    pub(super) response: Option<&'a RawValue>,
}

/// What was found about the prompt.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PromptFeedback<'a> {
    #[serde(borrow)]
    pub(super) block_reason: Option<&'a RawValue>,
}

/// One of the answers that were asked for; translated requests ask for one.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
    index: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Option<Vec<Part<'a>>>,
}

/// A piece of the answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    thought: Option<bool>,
    #[serde(borrow)]
    thought_signature: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) function_call: Option<FunctionCall<'a>>,
    #[serde(borrow)]
    pub(super) inline_data: Option<InlineData<'a>>,
    #[serde(borrow)]
    executable_code: Option<&'a RawValue>,
    #[serde(borrow)]
    code_execution_result: Option<&'a RawValue>,
}

/// A call of a tool, or a fragment of one.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct FunctionCall<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) args: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) partial_args: Option<Vec<PartialArg<'a>>>,
    pub(super) will_continue: Option<bool>,
}

/// A fragment of a call's arguments.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PartialArg<'a> {
    #[serde(borrow)]
    json_path: Option<&'a RawValue>,
    #[serde(borrow)]
    string_value: Option<&'a RawValue>,
    #[serde(borrow)]
    number_value: Option<&'a RawValue>,
    bool_value: Option<bool>,
}

/// Media that the model made.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct InlineData<'a> {
    #[serde(borrow)]
    mime_type: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

fn string<'a>(raw: Option<&'a RawValue>) -> Option<Cow<'a, str>> {
    raw.and_then(|raw| text(raw.get())).filter(|text| !text.is_empty())
}

impl<'a> Chunk<'a> {
    /// Reads a body or the data of an event, out of its envelope when it is in one; `None` when it is none.
    pub(super) fn parse(json: &'a [u8]) -> Option<Self> {
        let outer: Self = serde_json::from_slice(json).ok()?;
        match outer.response {
            Some(inner) if outer.candidates.is_none() => serde_json::from_str(inner.get()).ok(),
            _ => Some(outer),
        }
    }

    /// True when this is an answer at all; one may have no candidates.
    pub(super) fn is_answer(&self) -> bool {
        let said = self.candidates.is_some() || self.prompt_feedback.is_some() || self.usage_metadata.is_some();
        said && self.error.is_none()
    }

    pub(super) fn model(&self) -> Option<String> {
        string(self.model_version).map(Cow::into_owned)
    }

    pub(super) fn id(&self) -> Option<String> {
        string(self.response_id).map(Cow::into_owned)
    }

    /// The candidate that counts when only one was asked for.
    pub(super) fn first(&self) -> Option<&Candidate<'a>> {
        self.candidates.as_deref().unwrap_or_default().iter().find(|candidate| candidate.index.unwrap_or(0) == 0)
    }

    /// Why a candidate stopped, or why the prompt was refused, in the vendor's word.
    pub(super) fn finish(&self) -> Option<String> {
        let candidates = self.candidates.as_deref().unwrap_or_default();
        let finished = candidates.iter().find_map(|candidate| string(candidate.finish_reason));
        finished.or_else(|| self.block_reason()).map(Cow::into_owned)
    }

    /// Why the prompt was refused.
    pub(super) fn block_reason(&self) -> Option<Cow<'a, str>> {
        self.prompt_feedback.as_ref().and_then(|feedback| string(feedback.block_reason))
    }
}

impl<'a> Candidate<'a> {
    pub(super) fn parts(&self) -> &[Part<'a>] {
        self.content.as_ref().and_then(|content| content.parts.as_deref()).unwrap_or_default()
    }
}

impl<'a> Part<'a> {
    /// Text that is not empty.
    pub(super) fn text(&self) -> Option<Cow<'a, str>> {
        string(self.text)
    }

    pub(super) fn is_thought(&self) -> bool {
        self.thought.unwrap_or(false)
    }

    pub(super) fn signature(&self) -> Option<String> {
        string(self.thought_signature).map(Cow::into_owned)
    }

    /// True when there is something in it; the last event often holds an empty text.
    pub(super) fn has_content(&self) -> bool {
        self.text().is_some()
            || self.function_call.is_some()
            || self.inline_data.is_some()
            || self.executable_code.is_some()
            || self.code_execution_result.is_some()
    }

    /// Bytes of generated text: visible text, thoughts, code and arguments of calls.
    pub(super) fn output(&self) -> TextBytes {
        let mut bytes = self.text().map_or_else(TextBytes::default, |text| TextBytes::of(text.as_bytes()));
        if let Some(call) = &self.function_call {
            bytes += call.output();
        }
        if let Some(code) = self.executable_code {
            bytes += TextBytes::of(code.get().as_bytes());
        }
        bytes
    }
}

impl<'a> FunctionCall<'a> {
    pub(super) fn id(&self) -> Option<String> {
        string(self.id).map(Cow::into_owned)
    }

    pub(super) fn name(&self) -> Option<String> {
        string(self.name).map(Cow::into_owned)
    }

    fn output(&self) -> TextBytes {
        let whole = self.args.map_or_else(TextBytes::default, |args| TextBytes::of(args.get().as_bytes()));
        let fragments = self.partial_args.as_deref().unwrap_or_default();
        fragments.iter().filter_map(PartialArg::text).fold(whole, |mut sum, text| {
            sum += TextBytes::of(text.as_bytes());
            sum
        })
    }
}

impl<'a> PartialArg<'a> {
    pub(super) fn path(&self) -> Option<Cow<'a, str>> {
        string(self.json_path)
    }

    /// A piece of a string, which may be empty.
    pub(super) fn text(&self) -> Option<Cow<'a, str>> {
        self.string_value.and_then(|raw| text(raw.get()))
    }

    /// A value that comes in one piece; `null` when there is none of another kind.
    pub(super) fn value(&self) -> serde_json::Value {
        let number = self.number_value.and_then(|raw| serde_json::from_str(raw.get()).ok());
        number.or(self.bool_value.map(serde_json::Value::Bool)).unwrap_or_default()
    }
}

impl InlineData<'_> {
    /// Media type and base64 data.
    pub(super) fn parts(&self) -> Option<(String, String)> {
        Some((string(self.mime_type)?.into_owned(), string(self.data)?.into_owned()))
    }
}

/// What the vendor's word means (`relay-api.md` §9.2). A call of a tool ends with `STOP` too: the parts decide.
pub(super) fn stop_reason(word: &str, calls_tools: bool) -> StopReason {
    match word {
        "STOP" if calls_tools => StopReason::ToolUse,
        "STOP" => StopReason::End,
        "MAX_TOKENS" => StopReason::Length,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "MODEL_ARMOR"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "JAILBREAK" => StopReason::Refusal,
        _ => StopReason::Other,
    }
}

/// The id of the n-th call of an answer whose vendor gave none. The answer's id is part of it, because clients put calls of
/// many answers into one history and expect every id once.
pub(super) fn call_id(answer: Option<&str>, n: usize) -> String {
    let clean: String =
        answer.unwrap_or_default().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    match clean.get(..clean.len().min(48)).unwrap_or_default() {
        "" => format!("call_{n}"),
        answer => format!("call_{answer}_{n}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_its_meaning() {
        assert_eq!(stop_reason("STOP", false), StopReason::End);
        assert_eq!(stop_reason("STOP", true), StopReason::ToolUse);
        assert_eq!(stop_reason("MAX_TOKENS", true), StopReason::Length);
        for word in ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "MODEL_ARMOR"] {
            assert_eq!(stop_reason(word, false), StopReason::Refusal, "{word}");
        }
        for word in ["OTHER", "LANGUAGE", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "NEW_WORD"] {
            assert_eq!(stop_reason(word, false), StopReason::Other, "{word}");
        }
    }

    #[test]
    fn ids_are_made_of_the_answer_and_the_place() {
        assert_eq!(call_id(Some("aB-_9"), 2), "call_aB-_9_2");
        assert_eq!(call_id(Some("é"), 0), "call_0");
        assert_eq!(call_id(None, 1), "call_1");
        assert!(call_id(Some(&"x".repeat(300)), 1234).len() <= 64);
    }

    #[test]
    fn the_envelope_is_looked_through() {
        let chunk = Chunk::parse(br#"{"response":{"responseId":"r"},"traceId":"t"}"#).unwrap();
        assert_eq!(chunk.id().as_deref(), Some("r"));
        assert!(Chunk::parse(br#"{"response":"#).is_none());
    }
}
