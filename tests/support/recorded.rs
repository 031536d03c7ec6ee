//! The recorded answers of every vendor, and what the vendor's own SDK reads out of each.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

use actors::domain::usage::Tokens;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use quotalane::dialect::{Dialect, Surface, Wire};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The JSON lines of a file in `tests/data`, packed or not.
pub fn lines(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::File::open(&path).unwrap();
    let plain: Box<dyn Read> = if name.ends_with(".gz") { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
    BufReader::new(plain).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

/// Vendors by the API that was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Anthropic,
    Chat,
    Responses,
    Embeddings,
    Gemini,
    Bedrock,
}

impl Family {
    pub const ALL: [Self; 6] =
        [Self::Anthropic, Self::Chat, Self::Responses, Self::Embeddings, Self::Gemini, Self::Bedrock];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Chat => "openai-chat",
            Self::Responses => "openai-responses",
            Self::Embeddings => "openai-embeddings",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
        }
    }

    /// What most of its answers speak; Bedrock's invoke answers are the exception ([`Recorded::surface`]).
    const fn surface(self) -> Surface {
        match self {
            Self::Anthropic => Surface::plain(Dialect::Anthropic),
            Self::Chat | Self::Embeddings => Surface::plain(Dialect::Chat),
            Self::Responses => Surface::plain(Dialect::Responses),
            Self::Gemini => Surface::plain(Dialect::Gemini),
            Self::Bedrock => Surface { dialect: Dialect::Converse, wire: Wire::Bedrock },
        }
    }
}

/// One answer of a vendor.
pub struct Recorded {
    pub id: String,
    pub family: Family,
    pub path: String,
    pub stream: bool,
    pub status: u16,
    /// Empty for streams that came without one.
    pub content_type: String,
    pub licence: String,
    pub body: Vec<u8>,
    /// Absent for what the SDK cannot decode.
    pub expected: Option<Expected>,
}

impl Recorded {
    pub fn surface(&self) -> Surface {
        match self.family {
            Family::Bedrock if self.path.ends_with("/invoke") => {
                Surface { dialect: Dialect::Anthropic, wire: Wire::Bedrock }
            }
            family => family.surface(),
        }
    }

    /// The body as text, as far as it is text.
    pub fn body_text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The body in the pieces that find parser faults.
    pub fn cuts(&self) -> impl Iterator<Item = (usize, std::slice::Chunks<'_, u8>)> {
        [1, 7, 997, self.body.len()].into_iter().map(|size| (size, self.body.chunks(size)))
    }
}

/// What an official SDK read.
pub struct Expected {
    pub text_sha: String,
    pub tools: u64,
    pub stop: String,
    pub usage: Value,
}

/// The answers of one vendor.
pub fn recorded(family: Family) -> Vec<Recorded> {
    let text = |v: &Value, name: &str| v[name].as_str().unwrap_or_default().to_owned();
    let expected = |v: &Value| Expected {
        text_sha: text(v, "text_sha"),
        tools: v["tools"].as_u64().unwrap(),
        stop: text(v, "stop"),
        usage: v["usage"].clone(),
    };
    let mut known: HashMap<String, Expected> = match family {
        // No SDK result: an embedding has no text, tools or stop.
        Family::Embeddings => HashMap::new(),
        _ => {
            let file = lines(&format!("corpus/{}.expected.jsonl", family.name()));
            file.iter().map(|v| (text(v, "id"), expected(v))).collect()
        }
    };
    lines(&format!("corpus/{}.jsonl.gz", family.name()))
        .iter()
        .map(|v| Recorded {
            expected: known.remove(&text(v, "id")),
            id: text(v, "id"),
            family,
            path: text(v, "path"),
            stream: v["stream"].as_bool().unwrap(),
            status: u16::try_from(v["status"].as_u64().unwrap()).unwrap(),
            content_type: text(v, "content_type"),
            licence: text(v, "license"),
            body: STANDARD.decode(text(v, "body_b64")).unwrap(),
        })
        .collect()
}

/// The hash by which the corpus names texts and bodies.
pub fn sha(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))[..16].to_owned()
}

/// An SDK's usage object as disjoint counts (`metering.md` §2). Web searches are no tokens and not compared here.
pub fn tokens(family: Family, usage: &Value) -> Tokens {
    let n = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    match family {
        Family::Anthropic => {
            let one_hour = n("/cache_creation/ephemeral_1h_input_tokens");
            Tokens {
                input: n("/input_tokens"),
                cache_read: n("/cache_read_input_tokens"),
                cache_w5m: n("/cache_creation_input_tokens") - one_hour,
                cache_w1h: one_hour,
                output: n("/output_tokens"),
                reasoning: n("/output_tokens_details/thinking_tokens"),
                ..Tokens::default()
            }
        }
        Family::Chat | Family::Embeddings => {
            let (read, written) =
                (n("/prompt_tokens_details/cached_tokens"), n("/prompt_tokens_details/cache_write_tokens"));
            // What is in the total and nowhere else is reasoning that the vendor left out.
            let output = n("/total_tokens") - n("/prompt_tokens");
            let reasoning = n("/completion_tokens_details/reasoning_tokens");
            Tokens {
                input: n("/prompt_tokens") - read - written,
                cache_read: read,
                cache_w5m: written,
                output,
                reasoning: reasoning.max(output - n("/completion_tokens")).min(output),
                ..Tokens::default()
            }
        }
        Family::Responses => {
            let (read, written) =
                (n("/input_tokens_details/cached_tokens"), n("/input_tokens_details/cache_write_tokens"));
            Tokens {
                input: n("/input_tokens") - read - written,
                cache_read: read,
                cache_w5m: written,
                output: n("/output_tokens"),
                reasoning: n("/output_tokens_details/reasoning_tokens"),
                ..Tokens::default()
            }
        }
        Family::Gemini => Tokens {
            input: n("/prompt_token_count") + n("/tool_use_prompt_token_count") - n("/cached_content_token_count"),
            cache_read: n("/cached_content_token_count"),
            output: n("/candidates_token_count") + n("/thoughts_token_count"),
            reasoning: n("/thoughts_token_count"),
            ..Tokens::default()
        },
        Family::Bedrock => Tokens {
            input: n("/inputTokens"),
            cache_read: n("/cacheReadInputTokens"),
            cache_w5m: n("/cacheWriteInputTokens"),
            output: n("/outputTokens"),
            ..Tokens::default()
        },
    }
}
