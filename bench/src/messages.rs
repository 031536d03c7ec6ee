//! The Messages API, and Chat Completions, as a load generator needs them: request bytes, and the facts of an answer that
//! every call is checked on.

use memchr::memmem;

/// What to ask for.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// Value of the `host` header.
    pub host: &'a str,
    /// Key of ours, or the credential when the mock is called directly.
    pub key: &'a str,
    /// Model.
    pub model: &'a str,
    /// Server-sent events?
    pub stream: bool,
    /// Bytes of prompt.
    pub prompt_bytes: usize,
    /// Extra header lines, each with its CR LF.
    pub headers: &'a str,
    /// First words of the prompt; makes sessions differ, or carries a canary.
    pub marker: &'a str,
}

impl Ask<'_> {
    fn prompt(&self) -> String {
        let filler = "The quick brown fox jumps over the lazy dog. ";
        self.marker.chars().chain(filler.chars().cycle()).take(self.prompt_bytes.max(8)).collect()
    }

    /// The same question as a Chat client asks it.
    pub fn chat_bytes(&self) -> Vec<u8> {
        let usage = if self.stream { r#""stream_options":{"include_usage":true},"# } else { "" };
        let body = format!(
            r#"{{"model":"{}","max_tokens":256,"stream":{},{usage}"messages":[{{"role":"user","content":"{}"}}]}}"#,
            self.model,
            self.stream,
            self.prompt()
        );
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\nuser-agent: quotalane-bench\r\naccept: application/json\r\n{}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.host,
            self.key,
            self.headers,
            body.len()
        )
        .into_bytes()
    }

    /// The bytes of the request.
    pub fn bytes(&self) -> Vec<u8> {
        let prompt = self.prompt();
        let body = format!(
            r#"{{"model":"{}","max_tokens":256,"stream":{},"messages":[{{"role":"user","content":"{prompt}"}}]}}"#,
            self.model, self.stream
        );
        format!(
            "POST /v1/messages HTTP/1.1\r\nhost: {}\r\nx-api-key: {}\r\nanthropic-version: 2023-06-01\r\nuser-agent: quotalane-bench\r\naccept: application/json\r\n{}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.host,
            self.key,
            self.headers,
            body.len()
        )
        .into_bytes()
    }
}

/// What an answer said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The message is whole: `message_stop`, or a JSON message with a stop reason.
    pub terminal: bool,
    /// Content deltas.
    pub deltas: usize,
    /// Fresh input tokens, as last reported.
    pub input: Option<u64>,
    /// Output tokens, as last reported.
    pub output: Option<u64>,
    /// Input read from a cache.
    pub cache_read: u64,
    /// Input written to a cache.
    pub cache_write: u64,
    /// An `error` event or error body.
    pub error: bool,
}

impl Facts {
    /// Reads a stream or a JSON body.
    pub fn of(body: &[u8], stream: bool) -> Self {
        if memmem::find(&body[..body.len().min(256)], b"\"chat.completion").is_some() {
            return Self::of_chat(body, stream);
        }
        let mut facts = Self {
            input: last_number(body, b"\"input_tokens\":"),
            output: last_number(body, b"\"output_tokens\":"),
            cache_read: last_number(body, b"\"cache_read_input_tokens\":").unwrap_or(0),
            cache_write: last_number(body, b"\"cache_creation_input_tokens\":").unwrap_or(0),
            ..Self::default()
        };
        if stream {
            facts.terminal = memmem::find(body, b"event: message_stop").is_some();
            facts.error = memmem::find(body, b"event: error").is_some();
            facts.deltas = memmem::find_iter(body, b"event: content_block_delta").count();
        } else {
            facts.error = memmem::find(body, b"\"type\":\"error\"").is_some();
            facts.terminal = !facts.error && memmem::find(body, b"\"stop_reason\":\"").is_some();
        }
        facts
    }

    fn of_chat(body: &[u8], stream: bool) -> Self {
        let finished = memmem::find(body, b"\"finish_reason\":\"").is_some();
        Self {
            input: last_number(body, b"\"prompt_tokens\":"),
            output: last_number(body, b"\"completion_tokens\":"),
            terminal: finished && (!stream || memmem::find(body, b"data: [DONE]").is_some()),
            // The first chunk says the role and no text.
            deltas: memmem::find_iter(body, b"\"delta\":{\"content\":").count(),
            error: memmem::find(body, b"{\"error\":").is_some(),
            ..Self::default()
        }
    }

    /// True when the answer is whole and has usage.
    pub fn is_good(&self) -> bool {
        self.terminal && !self.error && self.input.is_some() && self.output.is_some()
    }
}

/// The number behind the last occurrence of a JSON key, white space after the colon allowed.
fn last_number(body: &[u8], key: &[u8]) -> Option<u64> {
    let at = memmem::rfind(body, key)? + key.len();
    let digits = body[at..].iter().skip_while(|b| **b == b' ');
    let mut value = None;
    for digit in digits.take_while(|b| b.is_ascii_digit()) {
        value = Some(value.unwrap_or(0u64) * 10 + u64::from(digit - b'0'));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_stream() {
        let body =
            b"event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n\
            event: content_block_delta\ndata: {}\n\nevent: content_block_delta\ndata: {}\n\n\
            event: message_delta\ndata: {\"usage\":{\"output_tokens\": 14}}\n\nevent: message_stop\ndata: {}\n\n";
        let facts = Facts::of(body, true);
        assert!(facts.is_good());
        assert_eq!((facts.deltas, facts.input, facts.output), (2, Some(25), Some(14)));
    }

    #[test]
    fn reads_a_chat_stream() {
        let body = b"data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n\
            data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
            data: {\"usage\":{\"prompt_tokens\":25,\"completion_tokens\":14}}\n\ndata: [DONE]\n\n";
        let facts = Facts::of(body, true);
        assert!(facts.is_good());
        assert_eq!((facts.deltas, facts.input, facts.output), (1, Some(25), Some(14)));
    }

    #[test]
    fn an_error_body_is_not_good() {
        assert!(!Facts::of(b"{\"type\":\"error\",\"error\":{}}", false).is_good());
    }
}
