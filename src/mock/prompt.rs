//! Reads an Anthropic request as far as an answer needs it. Parts that matter seldom stay raw, for speed.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::ask::{Ask, Choice, Framing, Offer, ToolCall, choose, document, text_of};

#[derive(Deserialize)]
pub(super) struct Prompt<'a> {
    #[serde(borrow, default)]
    pub(super) model: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) stream: bool,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output_config: Option<&'a RawValue>,
    #[serde(borrow, default)]
    messages: Option<&'a RawValue>,
}

impl<'a> Prompt<'a> {
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok().filter(|prompt: &Self| prompt.messages.is_some())
    }

    pub(super) fn into_ask(self) -> Ask<'a> {
        let tool = self.tool_call();
        Ask {
            framing: if self.stream { Framing::Stream } else { Framing::Whole },
            thinking: self.wants_thinking(),
            tool_result: self.tool_result(),
            tool,
            document: self.document(),
            tells_usage: true,
            model: self.model.unwrap_or(Cow::Borrowed("mock")),
        }
    }

    fn wants_thinking(&self) -> bool {
        self.thinking.is_some_and(|raw| raw.get().contains("\"enabled\"") || raw.get().contains("\"adaptive\""))
    }

    fn document(&self) -> Option<String> {
        let config: Value = serde_json::from_str(self.output_config?.get()).ok()?;
        document(&config["format"]["schema"])
    }

    /// The result of a tool in the last user message. Bodies that mention none are not parsed for it.
    fn tool_result(&self) -> Option<String> {
        let mentioned = self.messages.is_some_and(|raw| raw.get().contains("\"tool_result\""));
        mentioned.then(|| self.last_user().1)?
    }

    /// The last user message: its last text, and the text of a tool result in it.
    fn last_user(&self) -> (String, Option<String>) {
        let messages: Vec<Value> =
            self.messages.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let Some(message) = messages.iter().rev().find(|message| message["role"] == "user") else {
            return (String::new(), None);
        };
        let Some(blocks) = message["content"].as_array() else { return (text_of(&message["content"]), None) };
        let of_type = |kind: &str| blocks.iter().rev().find(|block| block["type"] == *kind);
        let text = of_type("text").map(|block| text_of(&block["text"])).unwrap_or_default();
        (text, of_type("tool_result").map(|block| text_of(&block["content"])))
    }

    /// The tool to use: when one is offered and wanted, and no result is there yet.
    fn tool_call(&self) -> Option<ToolCall> {
        let tools: Vec<Value> = serde_json::from_str(self.tools?.get()).ok()?;
        let (text, result) = self.last_user();
        let choice: Value = self.tool_choice.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        if result.is_some() || choice["type"] == "none" {
            return None;
        }
        let offers: Vec<Offer<'_>> = tools.iter().filter_map(offer).collect();
        let forced = matches!(choice["type"].as_str(), Some("any" | "tool"));
        choose(&offers, &Choice { text: &text, forced, name: choice["name"].as_str() })
    }
}

fn offer(tool: &Value) -> Option<Offer<'_>> {
    let schema = tool.get("input_schema").filter(|schema| schema.is_object())?;
    Some(Offer { name: tool["name"].as_str()?, schema })
}
