//! The edit `chat.include_usage` (`upstreams.md` §1.3), done on bytes: everything else stays as the client wrote it.

use std::ops::Range;

use crate::dialect::spans::{members, range_in, value_of};

/// The body with `stream_options.include_usage` set to true; `None` when there is nothing to set: the body asks for no stream,
/// has it already, or is no JSON object. What the edit adds to the answer is removed again by
/// [`UsageChunkFilter`](super::usage_chunk::UsageChunkFilter), to be used exactly when this returned a body.
pub fn include_usage(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let fields = members(text)?;
    if value_of(&fields, "stream") != Some("true") {
        return None;
    }
    let Some(options) = value_of(&fields, "stream_options") else {
        let end = text.rfind('}')?;
        let comma = if fields.is_empty() { "" } else { "," };
        return Some(splice(text, end..end, &format!("{comma}\"stream_options\":{{\"include_usage\":true}}")));
    };
    let span = range_in(text, options);
    let Some(inner) = members(options) else {
        return Some(splice(text, span, "{\"include_usage\":true}"));
    };
    match value_of(&inner, "include_usage") {
        Some("true") => None,
        Some(value) => Some(splice(text, range_in(text, value), "true")),
        None => {
            let comma = if inner.is_empty() { "" } else { "," };
            let at = span.start + 1;
            Some(splice(text, at..at, &format!("\"include_usage\":true{comma}")))
        }
    }
}

fn splice(text: &str, span: Range<usize>, new: &str) -> Vec<u8> {
    let before = text.get(..span.start).unwrap_or_default();
    let after = text.get(span.end..).unwrap_or_default();
    [before, new, after].concat().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(body: &str) -> Option<String> {
        include_usage(body.as_bytes()).map(|out| String::from_utf8(out).unwrap())
    }

    #[test]
    fn usage_is_asked_for_and_nothing_else_changes() {
        for (body, expected) in [
            (
                "{ \"z\": 1.10, \"stream\" : true,\n \"messages\":[ {\"content\":\"}\"} ] }\n",
                "{ \"z\": 1.10, \"stream\" : true,\n \"messages\":[ {\"content\":\"}\"} ] ,\"stream_options\":{\"include_usage\":true}}\n",
            ),
            (
                r#"{"stream_options": { "include_obfuscation":false },"stream":true}"#,
                r#"{"stream_options": {"include_usage":true, "include_obfuscation":false },"stream":true}"#,
            ),
            (r#"{"stream_options":{ },"stream":true}"#, r#"{"stream_options":{"include_usage":true },"stream":true}"#),
            (r#"{"stream":true,"stream_options":null}"#, r#"{"stream":true,"stream_options":{"include_usage":true}}"#),
            (
                r#"{"stream":true,"stream_options":{"include_usage" : false,"x":1e2}}"#,
                r#"{"stream":true,"stream_options":{"include_usage" : true,"x":1e2}}"#,
            ),
        ] {
            assert_eq!(edited(body).as_deref(), Some(expected), "{body}");
        }
    }

    #[test]
    fn nothing_to_set_is_no_edit() {
        for body in [
            r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
            r#"{"stream":false}"#,
            r#"{"model":"m"}"#,
            r#"[true]"#,
            "{",
        ] {
            assert_eq!(edited(body), None, "{body}");
        }
    }
}
