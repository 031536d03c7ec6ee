//! A complete answer as the form.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::anthropic::stop;
use crate::dialect::anthropic::usage::UsageFold;
use crate::dialect::form::{Answer, Part, Reasoning, StopReason, ToolCall};

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(borrow)]
    content: Vec<Block<'a>>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    stop_sequence: Option<String>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

/// A block of an answer or of a stream's `content_block_start`, with the fields of all kinds.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Block<'a> {
    pub(super) r#type: String,
    pub(super) text: Option<String>,
    pub(super) thinking: Option<String>,
    pub(super) signature: Option<String>,
    pub(super) data: Option<String>,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
}

impl Block<'_> {
    /// The part of the form; `None` for what has no counterpart there (tools of the vendor and their results).
    fn part(self) -> Option<Part> {
        Some(match self.r#type.as_str() {
            "text" => Part::text(self.text?),
            "thinking" => Part::Reasoning(Reasoning {
                text: self.thinking.unwrap_or_default(),
                signature: self.signature.filter(|signature| !signature.is_empty()),
                ..Reasoning::default()
            }),
            "redacted_thinking" => Part::Reasoning(Reasoning { sealed: self.data, ..Reasoning::default() }),
            "tool_use" => Part::ToolCall(ToolCall {
                id: self.id.unwrap_or_default(),
                name: self.name.unwrap_or_default(),
                arguments: self.input.map_or("{}", RawValue::get).to_owned(),
            }),
            _ => return None,
        })
    }
}

/// Reads a complete answer; `None` when the body is none.
pub fn answer(body: &[u8]) -> Option<Answer> {
    let wire: Wire<'_> = serde_json::from_slice(body).ok()?;
    let mut fold = UsageFold::default();
    fold.start(wire.usage.map(RawValue::get));
    Some(Answer {
        id: wire.id,
        model: wire.model,
        parts: wire.content.into_iter().filter_map(Block::part).collect(),
        stop: wire.stop_reason.as_deref().map_or(StopReason::End, stop::parse),
        stop_sequence: wire.stop_sequence,
        usage: fold.usage(),
    })
}
