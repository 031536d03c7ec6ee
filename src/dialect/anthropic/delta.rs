//! Counts the text in a content delta without decoding it: this runs once per token of every stream.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::dialect::estimate::TextBytes;

static DELTA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"delta\":{\"type\":\""));

/// The delta types that carry output, as they stand after [`DELTA`]; signatures and citations are no output.
const OUTPUT: [&[u8]; 3] =
    [b"text_delta\",\"text\":\"", b"input_json_delta\",\"partial_json\":\"", b"thinking_delta\",\"thinking\":\""];

/// Bytes of output in the data of a `content_block_delta`; `None` when the data is no JSON.
pub(super) fn text_bytes(data: &[u8]) -> Option<TextBytes> {
    fast(data).map_or_else(|| slow(data), Some)
}

/// The form in which the vendor writes: type first, no white space. `None` = look closer.
fn fast(data: &[u8]) -> Option<TextBytes> {
    let delta = data.get(DELTA.find(data)? + DELTA.needle().len()..)?;
    let text = OUTPUT.iter().find_map(|head| delta.strip_prefix(*head))?.strip_suffix(b"\"}}")?;
    Some(if memchr::memchr(b'\\', text).is_none() { TextBytes::of(text) } else { escaped(text) })
}

/// A JSON string's content with escapes: each stands for what it decodes to.
fn escaped(text: &[u8]) -> TextBytes {
    let mut count = TextBytes::default();
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        count += TextBytes::of(&rest[..at]);
        let escape = &rest[at..];
        let used = if escape.get(1) == Some(&b'u') { 6 } else { 2 };
        count += if used == 6 { unicode(escape.get(2..6)) } else { TextBytes { ascii: 1, other: 0 } };
        rest = escape.get(used..).unwrap_or_default();
    }
    count += TextBytes::of(rest);
    count
}

/// UTF-8 length of `\uXXXX`; a surrogate is half of a four-byte character.
fn unicode(digits: Option<&[u8]>) -> TextBytes {
    let code = digits.and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| u32::from_str_radix(d, 16).ok());
    match code {
        Some(0..=0x7f) | None => TextBytes { ascii: 1, other: 0 },
        Some(0x80..=0x7ff | 0xd800..=0xdfff) => TextBytes { ascii: 0, other: 2 },
        Some(_) => TextBytes { ascii: 0, other: 3 },
    }
}

fn slow(data: &[u8]) -> Option<TextBytes> {
    #[derive(Deserialize)]
    struct Data {
        #[serde(default)]
        delta: Delta,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Delta {
        text: Option<String>,
        thinking: Option<String>,
        partial_json: Option<String>,
    }
    let Data { delta } = serde_json::from_slice(data).ok()?;
    let mut count = TextBytes::default();
    for text in [delta.text, delta.thinking, delta.partial_json].into_iter().flatten() {
        count += TextBytes::of(text.as_bytes());
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_count_the_same() {
        for (kind, member) in
            [("text_delta", "text"), ("thinking_delta", "thinking"), ("input_json_delta", "partial_json")]
        {
            for text in ["", "plain", "tab\tquote\"back\\slash\n", "界 é 🦀", "a }} b \"}}"] {
                let literal = serde_json::to_string(text).unwrap();
                let data = format!(
                    r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"{kind}","{member}":{literal}}}}}"#
                );
                assert_eq!(fast(data.as_bytes()), slow(data.as_bytes()), "{data}");
                assert_eq!(fast(data.as_bytes()), Some(TextBytes::of(text.as_bytes())), "{data}");
            }
        }
    }

    #[test]
    fn unicode_escapes_count_as_their_characters() {
        let data = br#"{"delta":{"type":"text_delta","text":"\u0041\u00e9\u754c\ud83e\udd80"}}"#;
        assert_eq!(fast(data), Some(TextBytes::of("Aé界🦀".as_bytes())));
        assert_eq!(fast(data), slow(data));
    }

    #[test]
    fn other_forms_are_read_too() {
        assert_eq!(
            text_bytes(br#"{"delta": {"text":"ab","type":"text_delta"}}"#),
            Some(TextBytes { ascii: 2, other: 0 })
        );
        assert_eq!(
            text_bytes(br#"{"delta":{"type":"signature_delta","signature":"abc"}}"#),
            Some(TextBytes::default())
        );
        assert_eq!(text_bytes(br#"{"type":"content_block_delta","delta":{"type":"text_de"#), None);
    }
}
