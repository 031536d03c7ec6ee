//! A request for an answer.

use serde_json::{Map, Number, Value};

use super::part::Part;

/// What a client asks for. Absent fields were absent at the source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// Requested model, without routing prefix.
    pub model: String,
    /// Leading instructions, one entry per message or block of the source.
    pub system: Vec<Part>,
    /// The conversation. Turns of one role that follow each other are already merged where the source merges them.
    pub turns: Vec<Turn>,
    /// Function tools; other kinds never get here.
    pub tools: Vec<Tool>,
    /// Whether and which tool must be called.
    pub tool_choice: Option<ToolChoice>,
    /// Several tool calls in one answer are allowed.
    pub parallel_tools: Option<bool>,
    /// How much the model may think.
    pub reasoning: Option<ReasoningControl>,
    /// Most output tokens.
    pub max_output: Option<u64>,
    /// Sampling.
    pub sampling: Sampling,
    /// Texts at which the model stops.
    pub stop: Vec<String>,
    /// Form of the answer's text.
    pub output: Option<OutputFormat>,
    /// The caller's id of its end user.
    pub user: Option<String>,
    /// Hint that groups requests with the same beginning.
    pub cache_key: Option<String>,
    /// Service tier by the OpenAI name.
    pub service_tier: Option<String>,
    /// The answer is streamed.
    pub stream: bool,
    /// Chat only: the client asked for the usage chunk.
    pub include_usage: bool,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The user; tool results too.
    User,
    /// The model.
    Assistant,
    /// Instructions in the middle of the conversation.
    System,
}

/// A contribution to the conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order. Tool results come first in a user's turn.
    pub parts: Vec<Part>,
}

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// JSON Schema of its arguments; absent = none.
    pub schema: Option<Value>,
    /// Arguments must match the schema exactly.
    pub strict: Option<bool>,
    /// Anthropic's mark for caching up to here.
    pub cache: Option<Value>,
}

/// Whether and which tool must be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// Some tool.
    Required,
    /// No tool.
    None,
    /// This tool.
    Named(String),
}

/// How much the model may think (`relay-api.md` §9.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReasoningControl {
    /// Effort, when the source says it so.
    pub effort: Option<Effort>,
    /// Token budget, when the source says it so.
    pub budget: Option<u64>,
    /// The model decides how much (Anthropic `adaptive`, Gemini −1).
    pub adaptive: bool,
    /// Thinking is switched off.
    pub disabled: bool,
    /// The client wants to see a summary; absent = the source says nothing.
    pub show: Option<bool>,
}

/// Effort levels of all dialects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// No thinking.
    None,
    /// The least.
    Minimal,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More.
    XHigh,
    /// The most.
    Max,
}

impl Effort {
    /// Every level, rising.
    pub const ALL: [Self; 7] = [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh, Self::Max];

    /// The level by its name in JSON, which all dialects share.
    pub fn parse(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        Self::ALL.into_iter().find(|effort| effort.as_str() == lower)
    }

    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The token budget that stands for it (`relay-api.md` §9.1); 0 = thinking is off.
    pub const fn budget(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Minimal => 1_024,
            Self::Low => 2_048,
            Self::Medium => 8_192,
            Self::High => 16_384,
            Self::XHigh | Self::Max => 32_768,
        }
    }

    /// The effort that stands for a budget: the lowest whose budget is enough.
    pub fn of_budget(budget: u64) -> Self {
        Self::ALL.into_iter().find(|effort| effort.budget() >= budget).unwrap_or(Self::XHigh)
    }
}

/// Sampling parameters; numbers keep the text of the source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    /// 0 to 2, Anthropic 0 to 1.
    pub temperature: Option<Number>,
    /// Nucleus.
    pub top_p: Option<Number>,
    /// Most candidates per token.
    pub top_k: Option<Number>,
    /// Seed.
    pub seed: Option<Number>,
    /// Presence penalty.
    pub presence_penalty: Option<Number>,
    /// Frequency penalty.
    pub frequency_penalty: Option<Number>,
    /// Bias by token id of one vendor's tokeniser.
    pub logit_bias: Option<Map<String, Value>>,
}

/// Form of the answer's text.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputFormat {
    /// Any JSON object.
    JsonObject,
    /// JSON of a schema.
    JsonSchema {
        /// Name of the schema; some dialects want one.
        name: Option<String>,
        /// What it describes.
        description: Option<String>,
        /// The schema.
        schema: Value,
        /// The answer must match it exactly.
        strict: Option<bool>,
    },
}
