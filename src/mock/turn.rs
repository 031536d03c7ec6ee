//! What the mock answers, before any dialect words it: blocks of content, why it stops, and the usage.

use serde::Serialize;

use super::ask::Ask;
use super::state::Call;
use super::wire::Request;

/// Usage of one call in Anthropic's way of counting; differs from call to call, so that swapped records are noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Numbers {
    /// Without anything cached.
    pub(super) input_tokens: u64,
    /// With reasoning.
    pub(super) output_tokens: u64,
    pub(super) cache_read_input_tokens: u64,
    pub(super) ephemeral_5m_input_tokens: u64,
    pub(super) ephemeral_1h_input_tokens: u64,
    /// Inside `output_tokens`.
    pub(super) reasoning_tokens: u64,
}

impl Numbers {
    pub(super) fn of_call(number: u64) -> Self {
        let mut numbers = Self { input_tokens: 25 + number % 101, output_tokens: 12 + number % 997, ..Self::default() };
        match number % 3 {
            1 => numbers.cache_read_input_tokens = 7 + number % 11,
            2 => (numbers.ephemeral_5m_input_tokens, numbers.ephemeral_1h_input_tokens) = (6, 5),
            _ => {}
        }
        numbers
    }

    /// Of a call that only reads.
    pub(super) fn of_input(input_tokens: u64) -> Self {
        Self { input_tokens, ..Self::default() }
    }

    /// Tokens written to a cache.
    pub(super) fn written(self) -> u64 {
        self.ephemeral_5m_input_tokens + self.ephemeral_1h_input_tokens
    }

    /// Everything that went in.
    pub(super) fn all_input(self) -> u64 {
        self.input_tokens + self.cache_read_input_tokens + self.written()
    }

    /// For vendors that do not tell how long they cache.
    pub(super) fn without_ttl(self) -> Self {
        Self { ephemeral_5m_input_tokens: self.written(), ephemeral_1h_input_tokens: 0, ..self }
    }

    /// For vendors that do not tell what they cached.
    pub(super) fn without_writes(self) -> Self {
        Self { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0, ..self }
    }
}

/// A content block; text comes in the pieces in which it is streamed.
#[derive(Debug, Clone)]
pub(super) enum Block {
    Thinking(String),
    Text(Vec<String>),
    ToolUse { name: String, input: String },
}

/// What goes with reasoning so that it can be given back.
pub(super) const SIGNATURE: &str = "bW9jayBzaWduYXR1cmU=";

/// An answer to be worded.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    /// Number of the call; part of every id.
    pub(super) number: u64,
    pub(super) model: &'a str,
    pub(super) blocks: Vec<Block>,
    pub(super) usage: Numbers,
    /// Unix seconds.
    pub(super) created: i64,
}

impl<'a> Turn<'a> {
    /// The answer to a question; `text` is said when the question wants nothing special.
    pub(super) fn new(call: &Call, ask: &'a Ask<'_>, text: Vec<String>, usage: Numbers, created: i64) -> Self {
        let mut blocks = Vec::new();
        let mut usage = usage;
        if ask.thinking {
            blocks.push(Block::Thinking("The user wants a short answer.".to_owned()));
            usage.reasoning_tokens = 5 + call.number % 7;
        }
        match (&ask.tool, &ask.tool_result) {
            (Some(tool), _) => {
                blocks.push(Block::Text(vec!["I will use a tool.".to_owned()]));
                blocks.push(Block::ToolUse { name: tool.name.clone(), input: tool.input.clone() });
            }
            (None, Some(result)) => {
                let result = result.trim().chars().take(200).collect();
                blocks.push(Block::Text(vec!["The tool said: ".to_owned(), result]));
            }
            (None, None) => blocks.push(Block::Text(ask.document.clone().map_or(text, |document| vec![document]))),
        }
        Self { number: call.number, model: &ask.model, blocks, usage, created }
    }

    pub(super) fn calls_tool(&self) -> bool {
        self.blocks.iter().any(|block| matches!(block, Block::ToolUse { .. }))
    }

    pub(super) fn thinking(&self) -> Option<&str> {
        self.blocks.iter().find_map(|block| match block {
            Block::Thinking(text) => Some(text.as_str()),
            _ => None,
        })
    }

    pub(super) fn text(&self) -> String {
        let texts = self.blocks.iter().filter_map(|block| match block {
            Block::Text(parts) => Some(parts.concat()),
            _ => None,
        });
        texts.collect()
    }
}

/// A short text that names the call, and repeats a canary of the request so that a test sees whose answer it got.
pub(super) fn default_text(call: &Call, request: &Request) -> Vec<String> {
    let mut parts: Vec<String> =
        ["Hello", " from", " the", " mock", " upstream", "."].iter().map(ToString::to_string).collect();
    parts.push(format!(" This is call {}.", call.number));
    if let Some(at) = memchr::memmem::rfind(&request.body, b"canary-") {
        let word = request.body[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'-');
        parts.push(format!(" {}", String::from_utf8_lossy(&word.copied().collect::<Vec<u8>>())));
    }
    parts
}

/// The two halves of a text, as tools' arguments are streamed.
pub(super) fn halves(text: &str) -> [&str; 2] {
    let cut = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
    let (first, second) = text.split_at(cut);
    [first, second]
}
