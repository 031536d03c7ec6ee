//! Usage in this dialect's fields (`relay-api.md` §9.2).

use actors::domain::usage::Usage;
use serde::Serialize;

/// A usage object as it is written.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Fields {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation: Option<Creation>,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_tool_use: Option<ServerTools>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Creation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Details {
    thinking_tokens: u64,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct ServerTools {
    web_search_requests: u64,
}

impl Fields {
    /// Final usage; unknown usage is zeros, because clients insist on the fields.
    pub(super) fn of(usage: Option<&Usage>) -> Self {
        let tokens = usage.map(|usage| usage.tokens).unwrap_or_default();
        let written = tokens.cache_w5m.saturating_add(tokens.cache_w1h);
        Self {
            input_tokens: tokens.input,
            cache_creation_input_tokens: written,
            cache_read_input_tokens: tokens.cache_read,
            cache_creation: (written > 0).then_some(Creation {
                ephemeral_5m_input_tokens: tokens.cache_w5m,
                ephemeral_1h_input_tokens: tokens.cache_w1h,
            }),
            output_tokens: tokens.output,
            output_tokens_details: (tokens.reasoning > 0).then_some(Details { thinking_tokens: tokens.reasoning }),
            server_tool_use: (tokens.web_search > 0).then_some(ServerTools { web_search_requests: tokens.web_search }),
        }
    }

    /// Usage at the start of a stream: nothing is generated yet, which this dialect writes as 1.
    pub(super) fn at_start(usage: Option<&Usage>) -> Self {
        let all = Self::of(usage);
        Self { output_tokens: all.output_tokens.max(1), ..all }
    }
}
