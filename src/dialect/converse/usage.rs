//! Normalises Converse's usage object (`metering.md` §2.5): the cache is not part of the input, the twin fields
//! `…TokenCount` repeat the same numbers and are not read.

use actors::domain::usage::{Tier, Tokens, Usage, UsagePart};
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wire {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
    cache_details: Option<Vec<CacheDetail>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CacheDetail {
    input_tokens: Option<u64>,
    ttl: Option<String>,
}

/// The service tier that an answer says it was made in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ServiceTier {
    r#type: Option<String>,
}

impl ServiceTier {
    pub(super) fn tier(&self) -> Tier {
        match self.r#type.as_deref() {
            Some("priority") => Tier::Priority,
            Some("flex") => Tier::Flex,
            _ => Tier::Standard,
        }
    }
}

/// Usage of a whole answer or of the `metadata` event; `None` when the text is no usage object.
pub fn usage(text: &str) -> Option<Usage> {
    let wire: Wire = serde_json::from_str(text).ok()?;
    if wire.input_tokens.is_none() && wire.output_tokens.is_none() {
        return None;
    }
    let (cache_w5m, cache_w1h) = wire.writes();
    let tokens = Tokens {
        input: wire.input_tokens.unwrap_or(0),
        cache_read: wire.cache_read_input_tokens.unwrap_or(0),
        cache_w5m,
        cache_w1h,
        output: wire.output_tokens.unwrap_or(0),
        ..Tokens::default()
    };
    Some(Usage { raw: Some(text.to_owned()), ..Usage::of(vec![UsagePart { model: None, tokens }]) })
}

impl Wire {
    /// Five-minute and one-hour writes. The total counts; details only say how much of it lives for an hour.
    fn writes(&self) -> (u64, u64) {
        let details = self.cache_details.as_deref().unwrap_or_default();
        let sum = |pick: fn(&CacheDetail) -> bool| {
            details.iter().filter(|d| pick(d)).filter_map(|d| d.input_tokens).fold(0_u64, u64::saturating_add)
        };
        let one_hour = sum(|detail| detail.ttl.as_deref() == Some("1h"));
        let total = self.cache_write_input_tokens.unwrap_or_else(|| sum(|_| true));
        (total.saturating_sub(one_hour), one_hour.min(total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Tokens {
        usage(text).unwrap().tokens
    }

    #[test]
    fn twin_fields_are_not_added() {
        let read = tokens(
            r#"{"cacheReadInputTokenCount":7,"cacheReadInputTokens":7,"cacheWriteInputTokenCount":9,"cacheWriteInputTokens":9,"inputTokens":21,"outputTokens":69,"serverToolUsage":{},"totalTokens":106}"#,
        );
        assert_eq!((read.input, read.output, read.cache_read, read.cache_w5m, read.cache_w1h), (21, 69, 7, 9, 0));
        assert_eq!(read.total(), 106);
    }

    #[test]
    fn writes_are_split_by_their_details() {
        let details = r#""cacheDetails":[{"inputTokens":30,"ttl":"5m"},{"inputTokens":12,"ttl":"1h"}]"#;
        let split = |text: &str| {
            let read = tokens(text);
            (read.cache_w5m, read.cache_w1h)
        };
        assert_eq!(split(&format!(r#"{{"inputTokens":1,"cacheWriteInputTokens":42,{details}}}"#)), (30, 12));
        assert_eq!(split(&format!(r#"{{"inputTokens":1,{details}}}"#)), (30, 12));
        assert_eq!(split(&format!(r#"{{"inputTokens":1,"cacheWriteInputTokens":10,{details}}}"#)), (0, 10));
    }

    #[test]
    fn only_usage_is_usage() {
        assert_eq!(usage("{}"), None);
        assert_eq!(usage("[]"), None);
        assert_eq!(usage(r#"{"inputTokens":3}"#).unwrap().raw.as_deref(), Some(r#"{"inputTokens":3}"#));
    }
}
