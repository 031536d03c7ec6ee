//! A prompt, and its wording in every form.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::Form;

/// The tool that a prompt may offer.
pub const TOOL: &str = "look_up";

/// What a client asks.
#[derive(Debug, Clone)]
pub struct Prompt {
    pub model: String,
    pub stream: bool,
    /// The user's words. No two prompts are alike.
    pub text: String,
    /// A tool is offered.
    pub tool: bool,
    /// The tool was called: the call's id, and what it said.
    pub result: Option<(String, String)>,
}

impl Prompt {
    /// Plain words; the mock repeats the canary in them.
    pub fn plain(model: &str, stream: bool) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let text = format!("say canary-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Self { model: model.to_owned(), stream, text, tool: false, result: None }
    }

    /// Words upon which the mock uses the tool.
    pub fn with_tool(model: &str, stream: bool) -> Self {
        let plain = Self::plain(model, stream);
        Self { text: plain.text.replace("say", "use the tool"), tool: true, ..plain }
    }

    /// The next turn: the tool said so.
    pub fn tool_said(&self, id: &str, result: &str) -> Self {
        Self { result: Some((id.to_owned(), result.to_owned())), ..self.clone() }
    }

    /// What the mock says to a plain prompt ends with this.
    pub fn canary(&self) -> &str {
        self.text.rsplit(' ').next().unwrap()
    }

    /// The body in a form.
    pub fn body(&self, form: Form) -> Value {
        match form {
            Form::Anthropic => self.anthropic(true),
            Form::Invoke => self.anthropic(false),
            Form::Converse => self.converse(),
            Form::Chat => self.chat(),
            Form::Responses => self.responses(),
            Form::Gemini => self.gemini(),
            Form::CodeAssist => json!({"model": self.model, "project": "the-clients-own", "user_prompt_id": "p-1",
                "request": self.gemini()}),
        }
    }

    fn anthropic(&self, plain: bool) -> Value {
        let mut messages = vec![json!({"role": "user", "content": self.text})];
        if let Some((id, result)) = &self.result {
            let call = json!({"type": "tool_use", "id": id, "name": TOOL, "input": arguments()});
            messages.push(json!({"role": "assistant", "content": [call]}));
            let result = json!({"type": "tool_result", "tool_use_id": id, "content": result});
            messages.push(json!({"role": "user", "content": [result]}));
        }
        let mut body = json!({"max_tokens": 64, "messages": messages});
        if plain {
            (body["model"], body["stream"]) = (json!(self.model), json!(self.stream));
        } else {
            body["anthropic_version"] = json!("bedrock-2023-05-31");
        }
        if self.tool {
            body["tools"] = json!([{"name": TOOL, "description": "Looks up.", "input_schema": schema()}]);
        }
        body
    }

    fn converse(&self) -> Value {
        let mut messages = vec![json!({"role": "user", "content": [{"text": self.text}]})];
        if let Some((id, result)) = &self.result {
            let call = json!({"toolUse": {"toolUseId": id, "name": TOOL, "input": arguments()}});
            messages.push(json!({"role": "assistant", "content": [call]}));
            let result = json!({"toolResult": {"toolUseId": id, "content": [{"text": result}]}});
            messages.push(json!({"role": "user", "content": [result]}));
        }
        let mut body = json!({"messages": messages, "inferenceConfig": {"maxTokens": 64}});
        if self.tool {
            body["toolConfig"] = json!({"tools": [{"toolSpec": {"name": TOOL, "inputSchema": {"json": schema()}}}]});
        }
        body
    }

    fn chat(&self) -> Value {
        let mut messages = vec![json!({"role": "user", "content": self.text})];
        if let Some((id, result)) = &self.result {
            let function = json!({"name": TOOL, "arguments": arguments().to_string()});
            let call = json!({"id": id, "type": "function", "function": function});
            messages.push(json!({"role": "assistant", "content": null, "tool_calls": [call]}));
            messages.push(json!({"role": "tool", "tool_call_id": id, "content": result}));
        }
        let mut body = json!({"model": self.model, "messages": messages, "max_completion_tokens": 64});
        if self.stream {
            (body["stream"], body["stream_options"]) = (json!(true), json!({"include_usage": true}));
        }
        if self.tool {
            body["tools"] = json!([{"type": "function", "function": {"name": TOOL, "parameters": schema()}}]);
        }
        body
    }

    fn responses(&self) -> Value {
        let content = json!([{"type": "input_text", "text": self.text}]);
        let mut input = vec![json!({"type": "message", "role": "user", "content": content})];
        if let Some((id, result)) = &self.result {
            input.push(json!({"type": "function_call", "call_id": id, "name": TOOL,
                "arguments": arguments().to_string()}));
            input.push(json!({"type": "function_call_output", "call_id": id, "output": result}));
        }
        let mut body = json!({"model": self.model, "input": input, "stream": self.stream, "store": false});
        if self.tool {
            body["tools"] = json!([{"type": "function", "name": TOOL, "parameters": schema(), "strict": false}]);
        }
        body
    }

    fn gemini(&self) -> Value {
        let mut contents = vec![json!({"role": "user", "parts": [{"text": self.text}]})];
        if let Some((_, result)) = &self.result {
            contents.push(json!({"role": "model", "parts": [{"functionCall": {"name": TOOL, "args": arguments()}}]}));
            let response = json!({"name": TOOL, "response": {"output": result}});
            contents.push(json!({"role": "user", "parts": [{"functionResponse": response}]}));
        }
        let mut body = json!({"contents": contents, "generationConfig": {"maxOutputTokens": 64}});
        if self.tool {
            body["tools"] = json!([{"functionDeclarations": [{"name": TOOL, "parametersJsonSchema": schema()}]}]);
        }
        body
    }
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]})
}

/// What the mock gives to the tool.
pub fn arguments() -> Value {
    json!({"word": "example"})
}
