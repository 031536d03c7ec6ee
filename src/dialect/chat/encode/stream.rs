//! The form's events as a stream.

use actors::domain::usage::Usage;
use serde::Serialize;

use super::wire::{Call, WireUsage, finish_reason, id};
use crate::dialect::convert::{EncodeStream, Reply};
use crate::dialect::error::shown;
use crate::dialect::form::{Event, StreamError};

/// Writes one stream.
#[derive(Debug)]
pub struct Stream {
    reply: Reply,
    id: String,
    usage: Option<Usage>,
    /// Tool calls begun so far.
    calls: u64,
    /// A call is open whose arguments are not begun.
    bare_call: bool,
    finished: bool,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    /// A client that asked for usage finds the member in every chunk, `null` in all but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<WireUsage>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u64,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[Fragment<'a>; 1]>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Fragment<'a> {
    Open {
        index: u64,
        #[serde(flatten)]
        call: Call,
    },
    More {
        index: u64,
        function: Arguments<'a>,
    },
}

#[derive(Serialize)]
struct Arguments<'a> {
    arguments: &'a str,
}

#[derive(Serialize)]
struct Failure<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<()>,
    code: Option<&'a str>,
}

impl Stream {
    /// A writer at the start of a stream.
    pub fn new(reply: Reply) -> Self {
        Self { id: id(&reply), reply, usage: None, calls: 0, bare_call: false, finished: false }
    }

    fn delta(&self, delta: Delta<'_>, out: &mut Vec<u8>) {
        self.choice(delta, None, out);
    }

    fn choice(&self, delta: Delta<'_>, finish_reason: Option<&'static str>, out: &mut Vec<u8>) {
        let usage = self.reply.include_usage.then_some(None);
        self.chunk(&[Choice { index: 0, delta, logprobs: None, finish_reason }], usage, out);
    }

    fn chunk(&self, choices: &[Choice<'_>], usage: Option<Option<WireUsage>>, out: &mut Vec<u8>) {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.reply.created,
            model: &self.reply.model,
            choices,
            usage,
        };
        write(&chunk, out);
    }

    fn arguments(&mut self, arguments: &str, out: &mut Vec<u8>) {
        self.bare_call = false;
        let function = Arguments { arguments };
        let fragment = Fragment::More { index: self.calls.saturating_sub(1), function };
        self.delta(Delta { tool_calls: Some([fragment]), ..Delta::default() }, out);
    }

    fn tool_call(&mut self, id: &str, name: &str, out: &mut Vec<u8>) {
        let mut call = Call::new(id.to_owned(), name, "");
        call.function.arguments.clear();
        let fragment = Fragment::Open { index: self.calls, call };
        self.calls += 1;
        self.bare_call = true;
        self.delta(Delta { tool_calls: Some([fragment]), ..Delta::default() }, out);
    }

    fn done(&self, out: &mut Vec<u8>) {
        if let Some(usage) = self.usage.as_ref().filter(|_| self.reply.include_usage) {
            self.chunk(&[], Some(Some(WireUsage::of(usage))), out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

impl EncodeStream for Stream {
    fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { usage, .. } => {
                self.usage.clone_from(usage);
                self.delta(Delta { role: Some("assistant"), content: Some(""), ..Delta::default() }, out);
            }
            Event::Text(text) => self.delta(Delta { content: Some(text), ..Delta::default() }, out),
            Event::Refusal(text) => self.delta(Delta { refusal: Some(text), ..Delta::default() }, out),
            Event::Reasoning(text) => self.delta(Delta { reasoning_content: Some(text), ..Delta::default() }, out),
            Event::ToolCall { id, name } => self.tool_call(id, name, out),
            Event::Arguments(more) => self.arguments(more, out),
            // Clients parse the arguments: no text at all is no JSON.
            Event::Close if self.bare_call => self.arguments("{}", out),
            Event::Finish { stop, .. } if !self.finished => {
                self.finished = true;
                self.choice(Delta::default(), Some(finish_reason(*stop)), out);
            }
            Event::Usage(usage) => self.usage = Some((**usage).clone()),
            Event::Done => self.done(out),
            Event::Error(error) => failure(error, out),
            // Bound to their vendor, or said already.
            Event::Signature(_) | Event::Sealed { .. } | Event::Close | Event::Finish { .. } => {}
        }
    }
}

/// An error ends the stream without `[DONE]`. It says no more of the upstream than the client may see.
fn failure(error: &StreamError, out: &mut Vec<u8>) {
    let shown = shown(error);
    let inner = Inner { message: &shown.message, r#type: shown.openai_type(), param: None, code: shown.chat_code() };
    write(&Failure { error: inner }, out);
}

fn write(event: &impl Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    // Strings and numbers always serialise.
    out.extend_from_slice(&serde_json::to_vec(event).unwrap_or_default());
    out.extend_from_slice(b"\n\n");
}
