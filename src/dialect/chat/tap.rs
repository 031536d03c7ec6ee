//! Watches a Chat stream that passes through, and keeps what the relay must know about it. Never alters a byte.
//! Image and audio streams of the same vendors are watched too: their events carry a `type`.

use actors::domain::usage::Usage;
use serde_json::value::RawValue;

use super::chunk::{Choice, Chunk, says, string, text_bytes};
use super::error;
use super::usage::UsageFold;
use crate::dialect::error::EmbeddedError;
use crate::dialect::sse::Event;
use crate::dialect::tap::{Seen, Terminal, Watch, Watched};

/// Watches one stream.
pub type StreamTap = Watched<Reading>;

/// What was read of the stream's events.
#[derive(Debug, Default)]
pub struct Reading {
    seen: Seen,
    usage: UsageFold,
    /// Choices seen, by index, and whether each has its `finish_reason`.
    choices: Vec<(u64, bool)>,
}

impl Watch for Reading {
    fn on_event(&mut self, event: Event<'_>) {
        match event.data.trim_ascii() {
            b"" => {}
            b"[DONE]" => self.seen.terminal = Terminal::Stop,
            data if event.name == b"error" => self.on_error(data),
            data => match serde_json::from_slice::<Chunk<'_>>(data) {
                Ok(chunk) => self.on_chunk(&chunk, data),
                Err(_) => self.on_unreadable(data),
            },
        }
    }

    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn usage(&self) -> Option<Usage> {
        self.usage.usage()
    }
}

impl Reading {
    fn on_chunk(&mut self, chunk: &Chunk<'_>, data: &[u8]) {
        if let Some(usage) = chunk.usage {
            self.usage.update(usage.get());
        }
        if let Some(tier) = chunk.service_tier {
            self.usage.service_tier(tier.get());
        }
        if self.seen.answer_id.is_none() {
            self.seen.answer_id = string(chunk.id);
        }
        if self.seen.model.is_none() {
            self.seen.model = string(chunk.model);
        }
        if chunk.error.is_some_and(says) {
            self.on_error(data);
        }
        match &chunk.choices {
            Some(choices) => self.on_choices(choices),
            None => self.on_other(chunk, data),
        }
    }

    fn on_choices(&mut self, choices: &[Choice<'_>]) {
        for choice in choices {
            self.on_choice(choice);
        }
        if self.seen.terminal == Terminal::None && self.all_finished() {
            self.seen.terminal = Terminal::StopReasonThenEof;
        } else if self.seen.terminal == Terminal::StopReasonThenEof && !self.all_finished() {
            self.seen.terminal = Terminal::None;
        }
    }

    fn all_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|(_, finished)| *finished)
    }

    fn on_choice(&mut self, choice: &Choice<'_>) {
        if let Some(delta) = choice.delta.as_ref().filter(|delta| delta.is_content()) {
            self.seen.semantic = true;
            self.seen.output += delta.bytes();
        }
        if let Some(text) = choice.text.filter(|text| says(text)) {
            self.seen.semantic = true;
            self.seen.output += text_bytes(text);
        }
        let reason = string(choice.finish_reason);
        let index = choice.index.unwrap_or(0);
        match self.choices.iter_mut().find(|(known, _)| *known == index) {
            Some((_, finished)) => *finished |= reason.is_some(),
            None => self.choices.push((index, reason.is_some())),
        }
        if reason.is_some() {
            self.seen.stop_reason = reason;
        }
    }

    /// A chunk without choices: an event of an image or audio stream, or an error in one of the looser shapes.
    fn on_other(&mut self, chunk: &Chunk<'_>, data: &[u8]) {
        let name = chunk.r#type.map_or("", RawValue::get).trim_matches('"');
        if name.ends_with(".delta") || name.ends_with(".partial_image") {
            self.seen.semantic = true;
        } else if name.ends_with(".done") || name.ends_with(".completed") {
            self.seen.semantic = true;
            self.seen.terminal = Terminal::Stop;
        } else if error::parse(data).is_some() {
            self.on_error(data);
        }
    }

    /// Data that is no chunk: Google's endpoint sends an error as a list.
    fn on_unreadable(&mut self, data: &[u8]) {
        if error::parse(data).is_some() {
            self.on_error(data);
        } else {
            self.seen.broken += 1;
        }
    }

    fn on_error(&mut self, data: &[u8]) {
        if self.seen.error.is_some() {
            return;
        }
        let error = error::parse(data)
            .unwrap_or_else(|| EmbeddedError { kind: "api_error".to_owned(), ..EmbeddedError::default() });
        self.seen.error = Some(EmbeddedError { before_content: !self.seen.semantic, ..error });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::estimate::TextBytes;
    use crate::dialect::tap::Tap as _;

    fn tap(text: &str) -> StreamTap {
        let mut tap = StreamTap::new();
        tap.feed(text.as_bytes());
        tap
    }

    const ROLE: &str = "data: {\"id\":\"chatcmpl-1\",\"model\":\"m\",\"service_tier\":\"flex\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"finish_reason\":null}],\"usage\":null}\n\n";
    const TEXT: &str =
        "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hé\\n\"}}]}\n\n";
    const END: &str =
        "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const USAGE: &str =
        "data: {\"id\":\"chatcmpl-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":9}}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    #[test]
    fn openings_and_comments_are_not_content() {
        let azure =
            "data: {\"choices\":[],\"id\":\"\",\"model\":\"\",\"prompt_filter_results\":[{\"prompt_index\":0}]}\n\n";
        let tap = tap(&format!(": OPENROUTER PROCESSING\n\n{azure}{ROLE}"));
        assert!(!tap.seen().semantic);
        assert_eq!((tap.seen().model.as_deref(), tap.seen().answer_id.as_deref()), (Some("m"), Some("chatcmpl-1")));
        assert_eq!((tap.usage(), tap.seen().broken, tap.seen().terminal), (None, 0, Terminal::None));
    }

    #[test]
    fn an_answer_is_followed_to_its_end() {
        let mut tap = tap(&format!("{ROLE}{TEXT}"));
        assert!(tap.seen().semantic);
        assert_eq!(tap.seen().output, TextBytes { ascii: 2, other: 2 });
        assert_eq!(tap.seen().terminal, Terminal::None);
        tap.feed(END.as_bytes());
        assert_eq!(tap.seen().terminal, Terminal::StopReasonThenEof);
        assert_eq!(tap.seen().stop_reason.as_deref(), Some("stop"));
        tap.feed(USAGE.as_bytes());
        tap.feed(DONE.as_bytes());
        assert_eq!(tap.seen().terminal, Terminal::Stop);
        let usage = tap.usage().unwrap();
        assert_eq!((usage.tokens.total(), usage.tier), (12, actors::domain::usage::Tier::Flex));
    }

    #[test]
    fn every_open_choice_must_finish() {
        let other = "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"},\"finish_reason\":null}]}\n\n";
        let mut tap = tap(&format!("{ROLE}{TEXT}{END}{other}"));
        assert_eq!(tap.seen().terminal, Terminal::None);
        tap.feed(b"data: {\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n");
        assert_eq!(tap.seen().terminal, Terminal::StopReasonThenEof);
    }

    #[test]
    fn reasoning_tools_and_legacy_text_are_content() {
        for (choice, ascii) in [
            (r#"{"delta":{"reasoning_content":"abc","reasoning":"abc"}}"#, 3),
            (r#"{"delta":{"content":"","reasoning":"ab"}}"#, 2),
            (r#"{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{\"a\""}}]}}"#, 4),
            (r#"{"delta":{"function_call":{"arguments":"{}"}}}"#, 2),
            (r#"{"delta":{"refusal":"no"}}"#, 2),
            (r#"{"text":"legacy"}"#, 6),
        ] {
            let tap = tap(&format!("data: {{\"choices\":[{choice}]}}\n\n"));
            assert!(tap.seen().semantic, "{choice}");
            assert_eq!(tap.seen().output, TextBytes { ascii, other: 0 }, "{choice}");
        }
    }

    #[test]
    fn errors_know_whether_content_came_first() {
        let error = "data: {\"error\":{\"code\":400,\"message\":\"full\"},\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}}],\"usage\":{\"prompt_tokens\":43}}\n\n";
        let first = tap(&format!("{ROLE}{error}"));
        let seen = first.seen().error.clone().unwrap();
        assert_eq!((seen.before_content, seen.message.as_str(), seen.code.as_deref()), (true, "full", Some("400")));
        assert_eq!(first.usage().unwrap().tokens.input, 43);
        assert!(!tap(&format!("{ROLE}{TEXT}{error}")).seen().error.clone().unwrap().before_content);
        for text in [
            "data: {\"error\":\"text\"}\n\n",
            "event: error\ndata: {\"detail\":\"d\"}\n\n",
            "event: error\ndata: nonsense\n\n",
            "data: {\"object\":\"error\",\"message\":\"m\",\"code\":500}\n\n",
            "data: [{\"error\":{\"code\":400,\"message\":\"m\"}}]\n\n",
        ] {
            assert!(tap(text).seen().error.is_some(), "{text}");
        }
    }

    #[test]
    fn image_and_audio_streams_end_with_their_own_events() {
        let mut tap = tap(
            "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"AA\"}\n\n",
        );
        assert!(tap.seen().semantic);
        tap.feed(
            b"data: {\"type\":\"image_generation.completed\",\"usage\":{\"input_tokens\":5,\"output_tokens\":7}}\n\n",
        );
        assert_eq!(tap.seen().terminal, Terminal::Stop);
        assert_eq!(tap.usage().unwrap().tokens.total(), 12);
    }

    #[test]
    fn broken_chunks_are_counted_and_survived() {
        let tap = tap(&format!("{ROLE}data: {{\"choices\":[{{\n\ndata: junk\n\n{END}{DONE}"));
        assert_eq!((tap.seen().broken, tap.seen().terminal), (2, Terminal::Stop));
    }
}
