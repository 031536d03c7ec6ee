//! What an answer says, whatever its form.

use serde_json::Value;

use super::Form;
use crate::support::client::Answer;

/// What an answer says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// Visible text.
    pub text: String,
    /// Id, name and arguments of each tool call. Gemini's calls have no id of their own.
    pub tools: Vec<(String, String, Value)>,
    /// The model that it names.
    pub model: Option<String>,
    /// Why it ended, in the form's own word.
    pub stop: Option<String>,
    /// Everything that went in, and everything that came out, reasoning included.
    pub usage: Option<(u64, u64)>,
    /// The form's end was seen.
    pub done: bool,
    /// Error events.
    pub errors: Vec<Value>,
}

impl Said {
    /// Reads a whole answer, stream or not.
    #[track_caller]
    pub fn of(form: Form, answer: &Answer) -> Self {
        let kind = answer.header("content-type").unwrap_or_default();
        assert_eq!((answer.status, answer.complete), (200, true), "{}", answer.text());
        if kind.starts_with("text/event-stream") || kind.starts_with("application/vnd.amazon.eventstream") {
            return super::streamed::read(form, &answer.body);
        }
        let body = answer.json();
        match form {
            Form::Anthropic | Form::Invoke => anthropic(&body),
            Form::Converse => converse(&body),
            Form::Chat => chat(&body),
            Form::Responses => responses(&body),
            Form::Gemini => gemini(&body),
            Form::CodeAssist => gemini(&body["response"]),
        }
    }

    /// True when it ends in order, and to let a tool be used or not.
    pub fn ended(&self, form: Form, with_tool: bool) -> bool {
        let word = match (form, with_tool) {
            (Form::Anthropic | Form::Invoke | Form::Converse, false) => "end_turn",
            (Form::Anthropic | Form::Invoke | Form::Converse, true) => "tool_use",
            (Form::Chat, false) => "stop",
            (Form::Chat, true) => "tool_calls",
            (Form::Responses, _) => "completed",
            (Form::Gemini | Form::CodeAssist, _) => "STOP",
        };
        self.done && self.errors.is_empty() && self.stop.as_deref() == Some(word)
    }
}

pub(super) fn word(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

pub(super) fn parsed(arguments: &Value) -> Value {
    serde_json::from_str(arguments.as_str().unwrap_or_default()).unwrap_or_default()
}

fn count(usage: &Value, names: &[&str]) -> u64 {
    names.iter().filter_map(|name| usage[*name].as_u64()).sum()
}

pub(super) fn anthropic_usage(usage: &Value) -> Option<(u64, u64)> {
    let input = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
    usage.is_object().then(|| (count(usage, &input), count(usage, &["output_tokens"])))
}

pub(super) fn converse_usage(usage: &Value) -> Option<(u64, u64)> {
    let input = ["inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"];
    usage.is_object().then(|| (count(usage, &input), count(usage, &["outputTokens"])))
}

pub(super) fn chat_usage(usage: &Value) -> Option<(u64, u64)> {
    usage.is_object().then(|| (count(usage, &["prompt_tokens"]), count(usage, &["completion_tokens"])))
}

pub(super) fn responses_usage(usage: &Value) -> Option<(u64, u64)> {
    usage.is_object().then(|| (count(usage, &["input_tokens"]), count(usage, &["output_tokens"])))
}

fn gemini_usage(usage: &Value) -> Option<(u64, u64)> {
    let output = ["candidatesTokenCount", "thoughtsTokenCount"];
    usage.is_object().then(|| (count(usage, &["promptTokenCount"]), count(usage, &output)))
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn anthropic(body: &Value) -> Said {
    let (stop, model) = (word(&body["stop_reason"]), word(&body["model"]));
    let usage = anthropic_usage(&body["usage"]);
    let mut said = Said { stop, model, usage, done: true, ..Said::default() };
    for block in items(&body["content"]) {
        match block["type"].as_str() {
            Some("text") => said.text.push_str(block["text"].as_str().unwrap()),
            Some("tool_use") => said.push_tool(&block["id"], &block["name"], block["input"].clone()),
            _ => {}
        }
    }
    said
}

fn converse(body: &Value) -> Said {
    let usage = converse_usage(&body["usage"]);
    let mut said = Said { stop: word(&body["stopReason"]), usage, done: true, ..Said::default() };
    for block in items(&body["output"]["message"]["content"]) {
        said.text.push_str(block["text"].as_str().unwrap_or_default());
        if let Some(tool) = block.get("toolUse") {
            said.push_tool(&tool["toolUseId"], &tool["name"], tool["input"].clone());
        }
    }
    said
}

fn chat(body: &Value) -> Said {
    let choice = &body["choices"][0];
    let (stop, model) = (word(&choice["finish_reason"]), word(&body["model"]));
    let text = word(&choice["message"]["content"]).unwrap_or_default();
    let mut said = Said { text, stop, model, usage: chat_usage(&body["usage"]), done: true, ..Said::default() };
    for call in items(&choice["message"]["tool_calls"]) {
        said.push_tool(&call["id"], &call["function"]["name"], parsed(&call["function"]["arguments"]));
    }
    said
}

/// A response object.
pub(super) fn responses(body: &Value) -> Said {
    let (stop, model) = (word(&body["status"]), word(&body["model"]));
    let usage = responses_usage(&body["usage"]);
    let mut said = Said { stop, model, usage, done: true, ..Said::default() };
    for item in items(&body["output"]) {
        for part in items(&item["content"]).iter().filter(|part| part["type"] == "output_text") {
            said.text.push_str(part["text"].as_str().unwrap());
        }
        if item["type"] == "function_call" {
            said.push_tool(&item["call_id"], &item["name"], parsed(&item["arguments"]));
        }
    }
    said
}

/// An answer, or one of a stream.
pub(super) fn gemini(body: &Value) -> Said {
    let candidate = &body["candidates"][0];
    let (stop, model) = (word(&candidate["finishReason"]), word(&body["modelVersion"]));
    let mut said = Said { stop, model, usage: gemini_usage(&body["usageMetadata"]), ..Said::default() };
    said.done = said.stop.is_some();
    for part in items(&candidate["content"]["parts"]) {
        if part["thought"] != true {
            said.text.push_str(part["text"].as_str().unwrap_or_default());
        }
        if let Some(call) = part.get("functionCall") {
            said.push_tool(&call["id"], &call["name"], call["args"].clone());
        }
    }
    said
}

impl Said {
    pub(super) fn push_tool(&mut self, id: &Value, name: &Value, arguments: Value) {
        self.tools.push((word(id).unwrap_or_default(), word(name).unwrap_or_default(), arguments));
    }
}
