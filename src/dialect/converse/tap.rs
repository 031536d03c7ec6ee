//! Watches a Converse stream, unpacked to server-sent events, and keeps what the relay must know about it.

use actors::domain::usage::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error;
use super::usage::{self, ServiceTier};
use crate::dialect::error::EmbeddedError;
use crate::dialect::estimate::TextBytes;
use crate::dialect::sse::Event;
use crate::dialect::tap::{Seen, Terminal, Watch, Watched};

/// Watches one stream.
pub type StreamTap = Watched<Reading>;

/// What was read of the stream's events.
#[derive(Debug, Default)]
pub struct Reading {
    seen: Seen,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct BlockDelta {
    #[serde(default)]
    delta: Delta,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Delta {
    text: Option<String>,
    tool_use: ToolUse,
    reasoning_content: Reasoning,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ToolUse {
    input: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reasoning {
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageStop {
    stop_reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    service_tier: Option<ServiceTier>,
}

impl Watch for Reading {
    fn on_event(&mut self, event: Event<'_>) {
        match event.name {
            b"contentBlockDelta" => self.on_delta(event.data),
            b"contentBlockStart" | b"contentBlockStop" => self.seen.semantic = true,
            b"messageStop" => self.on_stop(event.data),
            b"metadata" => self.on_metadata(event.data),
            b"error" => self.on_error(event.data),
            _ => {}
        }
    }

    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn usage(&self) -> Option<Usage> {
        self.usage.clone()
    }
}

impl Reading {
    fn on_delta(&mut self, data: &[u8]) {
        self.seen.semantic = true;
        let Ok(BlockDelta { delta }) = serde_json::from_slice::<BlockDelta>(data) else {
            self.seen.broken += 1;
            return;
        };
        for text in [delta.text, delta.tool_use.input, delta.reasoning_content.text].into_iter().flatten() {
            self.seen.output += TextBytes::of(text.as_bytes());
        }
    }

    fn on_stop(&mut self, data: &[u8]) {
        let Ok(stop) = serde_json::from_slice::<MessageStop>(data) else {
            self.seen.broken += 1;
            return;
        };
        self.seen.stop_reason = Some(stop.stop_reason);
        self.seen.terminal = Terminal::StopReasonThenEof;
    }

    /// The last event: it comes after the message has stopped.
    fn on_metadata(&mut self, data: &[u8]) {
        let Ok(metadata) = serde_json::from_slice::<Metadata<'_>>(data) else {
            self.seen.broken += 1;
            return;
        };
        if let Some(mut usage) = metadata.usage.and_then(|raw| usage::usage(raw.get())) {
            usage.tier = metadata.service_tier.map(|tier| tier.tier()).unwrap_or_default();
            self.usage = Some(usage);
        }
        if self.seen.terminal == Terminal::StopReasonThenEof {
            self.seen.terminal = Terminal::Stop;
        }
    }

    fn on_error(&mut self, data: &[u8]) {
        if self.seen.error.is_some() {
            return;
        }
        let unread = || EmbeddedError { kind: "internalServerException".to_owned(), ..EmbeddedError::default() };
        let error = error::parse(data).unwrap_or_else(unread);
        self.seen.error = Some(EmbeddedError { before_content: !self.seen.semantic, ..error });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::tap::Tap as _;

    const START: &str = "event: messageStart\ndata: {\"p\":\"abcde\",\"role\":\"assistant\"}\n\n";
    const TEXT: &str =
        "event: contentBlockDelta\ndata: {\"contentBlockIndex\":0,\"delta\":{\"text\":\"h\\u00e9\"},\"p\":\"ab\"}\n\n";
    const TOOL: &str = "event: contentBlockStart\ndata: {\"contentBlockIndex\":1,\"start\":{\"toolUse\":{\"name\":\"n\",\"toolUseId\":\"t\"}}}\n\nevent: contentBlockDelta\ndata: {\"contentBlockIndex\":1,\"delta\":{\"toolUse\":{\"input\":\"{}\"}}}\n\n";
    const THOUGHT: &str = "event: contentBlockDelta\ndata: {\"delta\":{\"reasoningContent\":{\"text\":\"abc\"}}}\n\n";
    const STOP: &str = "event: messageStop\ndata: {\"p\":\"ab\",\"stopReason\":\"tool_use\"}\n\n";
    const METADATA: &str = "event: metadata\ndata: {\"metrics\":{\"latencyMs\":2},\"usage\":{\"inputTokens\":3,\"outputTokens\":4,\"totalTokens\":7}}\n\n";

    fn tap(text: &str) -> StreamTap {
        let mut tap = StreamTap::new();
        tap.feed(text.as_bytes());
        tap
    }

    #[test]
    fn an_answer_is_followed_to_its_end() {
        let mut tap = tap(START);
        assert!(!tap.seen().semantic);
        tap.feed(format!("{TEXT}{TOOL}{THOUGHT}").as_bytes());
        assert!(tap.seen().semantic);
        assert_eq!(tap.seen().output, TextBytes { ascii: 6, other: 2 });
        assert_eq!(tap.seen().terminal, Terminal::None);
        tap.feed(STOP.as_bytes());
        assert_eq!(tap.seen().terminal, Terminal::StopReasonThenEof);
        assert_eq!(tap.usage(), None);
        tap.feed(METADATA.as_bytes());
        assert_eq!((tap.seen().terminal, tap.seen().broken), (Terminal::Stop, 0));
        assert_eq!(tap.seen().stop_reason.as_deref(), Some("tool_use"));
        assert_eq!(tap.usage().unwrap().tokens.total(), 7);
    }

    #[test]
    fn metadata_without_a_stop_is_no_end() {
        assert_eq!(tap(&format!("{START}{TEXT}{METADATA}")).seen().terminal, Terminal::None);
    }

    #[test]
    fn errors_know_whether_content_came_first() {
        let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"throttlingException\",\"message\":\"slow\"}}\n\n";
        let first = tap(&format!("{START}{error}")).seen().error.clone().unwrap();
        assert_eq!((first.kind.as_str(), first.before_content), ("throttlingException", true));
        assert!(!tap(&format!("{START}{TEXT}{error}")).seen().error.clone().unwrap().before_content);
    }

    #[test]
    fn broken_events_are_counted_and_survived() {
        let tap = tap(&format!("event: contentBlockDelta\ndata: {{\n\nevent: metadata\ndata: x\n\n{STOP}{METADATA}"));
        assert_eq!(tap.seen().broken, 2);
        assert_eq!(tap.seen().terminal, Terminal::Stop);
    }
}
