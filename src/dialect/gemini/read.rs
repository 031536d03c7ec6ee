//! Reads a complete answer as far as the relay acts on it: generated content, embeddings and token counts.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::chunk::{Chunk, Part};
use super::usage;
use crate::dialect::estimate::TextBytes;
use crate::dialect::read::Read;

/// What tells that a body without content is complete all the same.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Other<'a> {
    #[serde(borrow)]
    embedding: Option<&'a RawValue>,
    #[serde(borrow)]
    embeddings: Option<&'a RawValue>,
    total_tokens: Option<u64>,
}

/// Reads a whole answer; `None` when the body is no complete answer. An answer in the Code Assist envelope is read too.
pub fn read(body: &[u8]) -> Option<Read> {
    let chunk = Chunk::parse(body)?;
    if !chunk.is_answer() && (chunk.error.is_some() || !is_other(body)) {
        return None;
    }
    Some(Read {
        id: chunk.id(),
        model: chunk.model(),
        stop_reason: chunk.finish(),
        usage: chunk.usage_metadata.and_then(|raw| usage::usage(raw.get())),
        output: output(&chunk),
    })
}

fn is_other(body: &[u8]) -> bool {
    serde_json::from_slice::<Other<'_>>(body)
        .is_ok_and(|o| o.embedding.is_some() || o.embeddings.is_some() || o.total_tokens.is_some())
}

fn output(chunk: &Chunk<'_>) -> TextBytes {
    let candidates = chunk.candidates.as_deref().unwrap_or_default();
    candidates.iter().flat_map(|candidate| candidate.parts()).map(Part::output).fold(
        TextBytes::default(),
        |mut sum, bytes| {
            sum += bytes;
            sum
        },
    )
}

/// The number in a token count; `None` when the body is none.
pub fn count_of_json(body: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Other<'_>>(body).ok()?.total_tokens
}

/// The body of a token count.
pub fn count_body(input_tokens: u64) -> Vec<u8> {
    format!(r#"{{"totalTokens":{input_tokens}}}"#).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"candidates":[{"content":{"parts":[{"text":"hi"},{"functionCall":{"name":"f","args":{"a":1}}}],
        "role":"model"},"finishReason":"STOP","index":0}],"modelVersion":"gemini-2.5-pro","responseId":"r1",
        "usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":2,"totalTokenCount":10}}"#;

    #[test]
    fn an_answer_is_read_and_half_of_one_is_not() {
        let answer = read(BODY.as_bytes()).unwrap();
        assert_eq!((answer.id.as_deref(), answer.model.as_deref()), (Some("r1"), Some("gemini-2.5-pro")));
        assert_eq!((answer.stop_reason.as_deref(), answer.usage.as_ref().unwrap().tokens.total()), (Some("STOP"), 10));
        assert_eq!(answer.output, TextBytes { ascii: 9, other: 0 });
        assert_eq!(read(format!(r#"{{"response":{BODY},"traceId":"t"}}"#).as_bytes()), Some(answer));
        assert_eq!(read(&BODY.as_bytes()[..BODY.len() - 1]), None);
    }

    #[test]
    fn other_complete_bodies_count_and_errors_do_not() {
        let blocked = read(br#"{"promptFeedback":{"blockReason":"SAFETY"}}"#).unwrap();
        assert_eq!((blocked.stop_reason.as_deref(), blocked.usage), (Some("SAFETY"), None));
        for body in [r#"{"totalTokens":4}"#, r#"{"embedding":{"values":[1]}}"#, r#"{"embeddings":[]}"#] {
            assert!(read(body.as_bytes()).is_some(), "{body}");
        }
        for body in [r#"{"error":{"code":500}}"#, "{}", "[]", "<html>", "{\"candidates\":7}"] {
            assert!(read(body.as_bytes()).is_none(), "{body}");
        }
        assert_eq!(count_of_json(&count_body(42)), Some(42));
        assert_eq!(count_of_json(b"{}"), None);
    }
}
