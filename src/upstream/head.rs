//! What the head of an answer shows at a glance, whoever gave it.

use super::AnswerHead;

impl<'a> AnswerHead<'a> {
    /// A header's text; empty when it is missing or no text.
    pub(super) fn header(&self, name: &str) -> &'a str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
    }

    /// The content type in lower case.
    pub(super) fn content_type(&self) -> String {
        self.header("content-type").to_ascii_lowercase()
    }

    /// An HTML page, by its type or by its first bytes.
    pub(super) fn is_html(&self) -> bool {
        let start = self.body.trim_ascii_start();
        let head = start.get(..start.len().min(15)).unwrap_or_default().to_ascii_lowercase();
        self.content_type().starts_with("text/html")
            || head.starts_with(b"<!doctype html")
            || head.starts_with(b"<html")
    }

    /// True when nothing came, and nothing will.
    pub(super) fn is_empty(&self) -> bool {
        self.status == 204 || (self.body.is_empty() && self.header("content-length") == "0")
    }
}
