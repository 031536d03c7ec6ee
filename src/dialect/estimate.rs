//! Estimates tokens from bytes, for holds and for answers without usage (`metering.md` §6, §2.7).

use memchr::memmem;

use super::peek::string_end;

/// What an image or document costs in the estimate, in tokens.
pub const IMAGE_TOKENS: u64 = 1_600;

/// Text bytes by how densely they tokenise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TextBytes {
    /// ASCII bytes: 3.2 a token.
    pub ascii: u64,
    /// Bytes of other UTF-8 characters: 2 a token.
    pub other: u64,
}

impl TextBytes {
    /// Counts the bytes of a text.
    pub fn of(text: &[u8]) -> Self {
        // Sums of at most 128 stay in a byte, so that the compiler counts many bytes at a time.
        let other: usize =
            text.chunks(128).map(|part| usize::from(part.iter().map(|byte| byte >> 7).sum::<u8>())).sum();
        Self { ascii: (text.len() - other) as u64, other: other as u64 }
    }

    /// `ceil(ascii / 3.2 + other / 2)` in whole numbers.
    pub fn tokens(self) -> u64 {
        (self.ascii.saturating_mul(10).saturating_add(self.other.saturating_mul(16))).div_ceil(32)
    }

    fn without(self, part: Self) -> Self {
        Self { ascii: self.ascii.saturating_sub(part.ascii), other: self.other.saturating_sub(part.other) }
    }
}

impl std::ops::AddAssign for TextBytes {
    fn add_assign(&mut self, more: Self) {
        self.ascii += more.ascii;
        self.other += more.other;
    }
}

/// Estimated prompt tokens of a request body. Base64 is not text: each base64 or URL source counts as one image.
pub fn input_tokens(body: &[u8]) -> u64 {
    let mut text = TextBytes::of(body);
    let mut images = url_sources(body);
    if memmem::find(body, b"\"base64\"").is_some() {
        for data in memmem::find_iter(body, b"\"data\"").filter_map(|at| string_member(body, at + 6)) {
            text = text.without(TextBytes::of(data));
            images += 1;
        }
    }
    text.tokens().saturating_add(images.saturating_mul(IMAGE_TOKENS))
}

/// The string value after a member name that ends at `at`, when it looks like base64.
fn string_member(body: &[u8], at: usize) -> Option<&[u8]> {
    let after = body.get(at..)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    let start = body.len() - after.len();
    let data = body.get(start..string_end(body, start).checked_sub(1)?)?;
    let head = data.get(..data.len().min(64))?;
    let is_base64 = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_' | b'\\');
    (!head.is_empty() && head.iter().all(is_base64)).then_some(data)
}

fn url_sources(body: &[u8]) -> u64 {
    let found = memmem::find_iter(body, b"\"url\"").filter(|at| {
        let before = body.get(..*at).unwrap_or_default().trim_ascii_end();
        before.strip_suffix(b":").is_some_and(|b| b.trim_ascii_end().ends_with(b"\"type\""))
    });
    found.count() as u64
}

/// True when some part of the request asks for a prompt cache.
pub fn has_cache_control(body: &[u8]) -> bool {
    memmem::find(body, b"\"cache_control\"").is_some()
}

/// True when some part asks for the one-hour cache, whose writes cost more.
pub fn has_long_cache(body: &[u8]) -> bool {
    has_cache_control(body)
        && memmem::find_iter(body, b"\"ttl\"").any(|at| {
            let after = body.get(at + 5..).unwrap_or_default().trim_ascii_start();
            after.strip_prefix(b":").is_some_and(|v| v.trim_ascii_start().starts_with(b"\"1h\""))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_rounded_up_once() {
        let tokens = |ascii, other| TextBytes { ascii, other }.tokens();
        assert_eq!([tokens(0, 0), tokens(1, 0), tokens(32, 0), tokens(33, 0)], [0, 1, 10, 11]);
        assert_eq!([tokens(0, 3), tokens(32, 6), tokens(16, 1)], [2, 13, 6]);
        assert_eq!(TextBytes::of("ab界".as_bytes()), TextBytes { ascii: 2, other: 3 });
    }

    #[test]
    fn base64_counts_as_an_image_wherever_its_fields_stand() {
        let data = "QUJD".repeat(50_000);
        for source in [
            format!(r#"{{"type":"base64","media_type":"image/png","data":"{data}"}}"#),
            format!(r#"{{"data" : "{data}", "type": "base64"}}"#),
        ] {
            let empty = source.replace(&data, "");
            let expected = TextBytes::of(empty.as_bytes()).tokens() + IMAGE_TOKENS;
            assert_eq!(input_tokens(source.as_bytes()), expected, "{}", &source[..30]);
        }
    }

    #[test]
    fn text_that_only_mentions_base64_stays_text() {
        let body = br#"{"messages":[{"content":"say \"base64\" and \"data\": \"hello world, this is text\""}]}"#;
        assert_eq!(input_tokens(body), TextBytes::of(body).tokens());
        let url = br#"{"source":{"type": "url","url":"https://example.test/a.png"}}"#;
        assert_eq!(input_tokens(url), TextBytes::of(url).tokens() + IMAGE_TOKENS);
    }

    #[test]
    fn cache_marks_are_found() {
        assert!(has_cache_control(br#"{"cache_control":{"type":"ephemeral"}}"#));
        assert!(!has_cache_control(b"{}"));
        assert!(has_long_cache(br#"{"cache_control":{"type":"ephemeral","ttl" : "1h"}}"#));
        assert!(!has_long_cache(br#"{"cache_control":{"type":"ephemeral","ttl":"5m"}}"#));
    }
}
