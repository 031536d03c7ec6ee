//! Token counts, as each dialect says them.

use serde::Deserialize;

use super::{Dialect, Surface, Wire};

/// The body of a token count for a client.
pub fn body(client: Surface, tokens: u64) -> Vec<u8> {
    let name = match (client.dialect, client.wire) {
        (_, Wire::Bedrock) => "inputTokens",
        (Dialect::Gemini, _) => "totalTokens",
        _ => "input_tokens",
    };
    format!(r#"{{"{name}":{tokens}}}"#).into_bytes()
}

/// The number in a token count of any dialect; `None` when the body is none.
pub fn tokens(body: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Count {
        #[serde(alias = "totalTokens", alias = "inputTokens")]
        input_tokens: u64,
    }
    serde_json::from_slice::<Count>(body).ok().map(|count| count.input_tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_there_and_back() {
        for (dialect, wire, expected) in [
            (Dialect::Anthropic, Wire::Plain, r#"{"input_tokens":42}"#),
            (Dialect::Anthropic, Wire::Bedrock, r#"{"inputTokens":42}"#),
            (Dialect::Gemini, Wire::Plain, r#"{"totalTokens":42}"#),
            (Dialect::Gemini, Wire::CodeAssist, r#"{"totalTokens":42}"#),
        ] {
            let body = body(Surface { dialect, wire }, 42);
            assert_eq!((std::str::from_utf8(&body), tokens(&body)), (Ok(expected), Some(42)));
        }
        assert_eq!(tokens(b"{}"), None);
    }
}
