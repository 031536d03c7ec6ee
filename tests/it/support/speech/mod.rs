//! The tongues in which clients ask: each can word a prompt, and say what an answer means, by the formats' own rules and
//! apart from the relay's codecs.

mod events;
mod prompt;
mod said;
mod streamed;

pub use events::{comments, frames, sse};
pub use prompt::{Prompt, TOOL};
pub use said::Said;

use serde_json::Value;

use super::client::{Answer, Call};
use super::setup::TestKey;

/// The wire format of a tongue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Anthropic Messages.
    Anthropic,
    /// Anthropic Messages in Bedrock's `invoke`.
    Invoke,
    /// Bedrock Converse.
    Converse,
    /// OpenAI Chat Completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Gemini.
    Gemini,
    /// Gemini in the envelope of Code Assist.
    CodeAssist,
}

/// A form at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tongue {
    pub form: Form,
    /// The path; `{model}` and `{verb}` are filled in.
    path: &'static str,
    /// The route that the request row names; `{verb}` is filled in.
    route: &'static str,
}

const fn tongue(form: Form, path: &'static str, route: &'static str) -> Tongue {
    Tongue { form, path, route }
}

pub const MESSAGES: Tongue = tongue(Form::Anthropic, "/v1/messages", "/v1/messages");
pub const CHAT: Tongue = tongue(Form::Chat, "/v1/chat/completions", "/v1/chat/completions");
pub const RESPONSES: Tongue = tongue(Form::Responses, "/v1/responses", "/v1/responses");
pub const GEMINI: Tongue = tongue(Form::Gemini, "/v1beta/models/{model}:{verb}", "/v1beta/models/{model}:{verb}");
pub const CODE_ASSIST: Tongue = tongue(Form::CodeAssist, "/v1internal:{verb}", "/v1internal");
pub const INVOKE: Tongue = tongue(Form::Invoke, "/model/{model}/{verb}", "/model/{id}/{verb}");
pub const CONVERSE: Tongue = tongue(Form::Converse, "/model/{model}/{verb}", "/model/{id}/{verb}");
pub const DROID_CLAUDE: Tongue = tongue(Form::Anthropic, "/droid/claude/v1/messages", "/droid/claude/v1/messages");
pub const DROID_OPENAI: Tongue = tongue(Form::Responses, "/droid/openai/v1/responses", "/droid/openai/v1/responses");
pub const DROID_COMM: Tongue = tongue(Form::Chat, "/droid/comm/v1/chat/completions", "/droid/comm/v1/chat/completions");
pub const AZURE_CHAT: Tongue = tongue(Form::Chat, "/azure/chat/completions", "/azure/chat/completions");
pub const AZURE_RESPONSES: Tongue = tongue(Form::Responses, "/azure/responses", "/azure/responses");
pub const DEPLOYMENT: Tongue = tongue(
    Form::Chat,
    "/openai/deployments/{model}/chat/completions?api-version=2024-10-21",
    "/openai/deployments/{deployment}/chat/completions",
);
pub const CHATGPT: Tongue = tongue(Form::Responses, "/backend-api/codex/responses", "/v1/responses");

/// Every tongue.
pub const ALL: [Tongue; 14] = [
    MESSAGES,
    CHAT,
    RESPONSES,
    GEMINI,
    CODE_ASSIST,
    INVOKE,
    CONVERSE,
    DROID_CLAUDE,
    DROID_OPENAI,
    DROID_COMM,
    AZURE_CHAT,
    AZURE_RESPONSES,
    DEPLOYMENT,
    CHATGPT,
];

/// The four families whose clients may be served by any vendor.
pub const FAMILIES: [Tongue; 4] = [MESSAGES, CHAT, RESPONSES, GEMINI];

impl Tongue {
    /// The prompt as a client of this tongue sends it, with its key where its SDK puts it.
    pub fn call(self, key: &TestKey, prompt: &Prompt) -> Call {
        let call = Call::post(&self.target(&prompt.model, prompt.stream), prompt.body(self.form).to_string());
        match self.form {
            Form::Anthropic => call.header("anthropic-version", "2023-06-01").key(&key.raw),
            Form::Gemini => call.header("x-goog-api-key", &key.raw),
            Form::Chat if self == DEPLOYMENT => call.header("api-key", &key.raw),
            _ => call.header("authorization", &format!("Bearer {}", key.raw)),
        }
    }

    fn target(self, model: &str, stream: bool) -> String {
        let query = if stream && matches!(self.form, Form::Gemini | Form::CodeAssist) { "?alt=sse" } else { "" };
        let path = self.path.replace("{model}", model).replace("{verb}", self.verb(stream));
        format!("{path}{query}")
    }

    /// The route template of its requests.
    pub fn route(self, stream: bool) -> String {
        self.route.replace("{verb}", self.verb(stream))
    }

    const fn verb(self, stream: bool) -> &'static str {
        match (self.form, stream) {
            (Form::Invoke, false) => "invoke",
            (Form::Invoke, true) => "invoke-with-response-stream",
            (Form::Converse, false) => "converse",
            (Form::Converse, true) => "converse-stream",
            (_, false) => "generateContent",
            (_, true) => "streamGenerateContent",
        }
    }

    /// The name of its dialect in a request row.
    pub const fn dialect(self) -> &'static str {
        match self.form {
            Form::Anthropic | Form::Invoke => "anthropic",
            Form::Converse => "converse",
            Form::Chat => "openai-chat",
            Form::Responses => "openai-responses",
            Form::Gemini | Form::CodeAssist => "gemini",
        }
    }

    /// What a whole answer means.
    #[track_caller]
    pub fn read(self, answer: &Answer) -> Said {
        Said::of(self.form, answer)
    }
}

impl Form {
    /// The visible text, the tool calls and the end of a stream that may have been cut.
    pub fn read_stream(self, body: &[u8]) -> Said {
        streamed::read(self, body)
    }

    /// Message and word of an error body of this form, after checking that it has the vendor's shape.
    #[track_caller]
    pub fn read_error(self, body: &Value) -> (String, String) {
        let error = &body["error"];
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text: {body}")).to_owned();
        match self {
            Self::Anthropic | Self::Invoke => {
                assert_eq!(body["type"], "error", "{body}");
                (text(&error["message"]), text(&error["type"]))
            }
            Self::Converse => (text(&body["message"]), String::new()),
            Self::Chat | Self::Responses => {
                assert!(error.get("param").is_some() && error.get("code").is_some(), "{body}");
                (text(&error["message"]), text(&error["type"]))
            }
            Self::Gemini | Self::CodeAssist => {
                assert!(error["code"].is_u64(), "{body}");
                (text(&error["message"]), text(&error["status"]))
            }
        }
    }
}
