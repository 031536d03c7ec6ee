//! Folds a stream into the answer that a client without stream gets, for accounts that only stream (codex). Whatever the
//! vendor wrote stays as it wrote it.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error;
use crate::dialect::error::EmbeddedError;
use crate::dialect::spans::{members, range_in, value_of};
use crate::dialect::sse::{Event, Scanner};

/// A stream on its way to an answer.
#[derive(Debug, Default)]
pub struct Fold {
    scanner: Scanner,
    /// Complete items by their place; in order of arrival where the vendor says none.
    items: Vec<(u64, Box<RawValue>)>,
    end: Option<Folded>,
}

/// What a stream came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Folded {
    /// The complete response, as JSON.
    Answer(Vec<u8>),
    /// The vendor reported a failure; nothing may be shown as an answer.
    Failed(EmbeddedError),
    /// The stream ended before its terminal event.
    Truncated,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    output_index: Option<u64>,
    #[serde(default)]
    item: Option<Box<RawValue>>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
}

impl Fold {
    /// A fold at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, cut anywhere.
    pub fn feed(&mut self, chunk: &[u8]) {
        let mut scanner = std::mem::take(&mut self.scanner);
        scanner.feed(chunk, |event| self.on_event(event));
        self.scanner = scanner;
    }

    /// True when the terminal event was seen: nothing that follows counts.
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// What the stream came to, when it is over.
    pub fn finish(self) -> Folded {
        self.end.unwrap_or(Folded::Truncated)
    }

    fn on_event(&mut self, event: Event<'_>) {
        if self.is_over() {
            return;
        }
        let Ok(wire) = serde_json::from_slice::<Wire<'_>>(event.data) else { return };
        let name = if wire.r#type.is_empty() { event.name } else { wire.r#type.as_bytes() };
        match name {
            b"response.output_item.done" => {
                let next = self.items.last().map_or(0, |(index, _)| index + 1);
                self.items.extend(wire.item.map(|item| (wire.output_index.unwrap_or(next), item)));
            }
            b"response.completed" | b"response.incomplete" => {
                self.end = wire.response.and_then(|response| self.answer(response.get())).map(Folded::Answer);
            }
            b"response.failed" | b"error" => self.fail(event.data),
            b"" if error::parse(event.data).is_some() => self.fail(event.data),
            _ => {}
        }
    }

    /// The response with its output put back, when the vendor left it empty (`upstreams.md` §2.8).
    fn answer(&mut self, response: &str) -> Option<Vec<u8>> {
        let fields = members(response)?;
        let output = value_of(&fields, "output");
        let is_empty = |list: &str| serde_json::from_str::<Vec<&RawValue>>(list).is_ok_and(|list| list.is_empty());
        if self.items.is_empty() || !output.is_none_or(|list| list == "null" || is_empty(list)) {
            return Some(response.as_bytes().to_vec());
        }
        self.items.sort_by_key(|(index, _)| *index);
        let items: Vec<&str> = self.items.iter().map(|(_, item)| item.get()).collect();
        let list = format!("[{}]", items.join(","));
        let (at, text) = match output {
            Some(output) => (range_in(response, output), list),
            None => {
                let last = range_in(response, fields.last()?.value).end;
                (last..last, format!(",\"output\":{list}"))
            }
        };
        Some([response.get(..at.start)?, &text, response.get(at.end..)?].concat().into_bytes())
    }

    fn fail(&mut self, data: &[u8]) {
        let unnamed = || EmbeddedError { kind: error::UNNAMED.to_owned(), ..EmbeddedError::default() };
        let mut error = error::parse(data).unwrap_or_else(unnamed);
        error.before_content = self.items.is_empty();
        self.end = Some(Folded::Failed(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str, size: usize) -> Folded {
        let mut fold = Fold::new();
        for chunk in text.as_bytes().chunks(size) {
            fold.feed(chunk);
        }
        fold.finish()
    }

    const ITEMS: &str = "event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"output_index\":1,\"item\":{ \"type\":\"message\",\"n\":1.50}}\n\nevent: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"reasoning\"}}\n\n";

    #[test]
    fn an_empty_output_is_rebuilt_in_order() {
        for (before, after) in [("\"output\": [ ],", ""), ("\"output\":null,", ""), ("", "")] {
            let text = format!(
                "{ITEMS}event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{{\"id\":\"r\",{before} \"usage\":{{\"input_tokens\":1.0}}{after}}}}}\n\n"
            );
            for size in [1, 7, text.len()] {
                let Folded::Answer(body) = folded(&text, size) else { panic!("{before}") };
                let body = String::from_utf8(body).unwrap();
                assert!(body.contains(r#"[{"type":"reasoning"},{ "type":"message","n":1.50}]"#), "{body}");
                assert!(body.contains("{\"input_tokens\":1.0}"));
                let value: serde_json::Value = serde_json::from_str(&body).unwrap();
                assert_eq!(value["output"].as_array().unwrap().len(), 2);
            }
        }
    }

    #[test]
    fn a_full_output_stays_as_it_is() {
        let response = r#"{"id":"r", "status":"incomplete","output":[{"type":"x"}] }"#;
        let text = format!("{ITEMS}data: {{\"type\":\"response.incomplete\",\"response\":{response}}}\n\n");
        assert_eq!(folded(&text, 3), Folded::Answer(response.as_bytes().to_vec()));
    }

    #[test]
    fn failures_and_cuts_are_no_answers() {
        let failed = "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"c\",\"message\":\"m\"}}}\n\n";
        let Folded::Failed(error) = folded(failed, 5) else { panic!("an answer") };
        assert_eq!((error.kind.as_str(), error.before_content), ("c", true));
        let Folded::Failed(error) = folded(&format!("{ITEMS}{failed}"), 5) else { panic!("an answer") };
        assert!(!error.before_content);
        assert_eq!(folded(ITEMS, 9), Folded::Truncated);
        assert_eq!(folded("<html>\n\n", 9), Folded::Truncated);
    }
}
