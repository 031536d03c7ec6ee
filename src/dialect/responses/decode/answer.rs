//! A complete answer as the form.

use serde_json::Value;

use super::item::{elements, parts, stop_reason, text};
use crate::dialect::form::{Answer, Part};
use crate::dialect::responses::usage::of_response;

/// Reads a complete answer; `None` when the body is none: another JSON, a failed response, or one that is still being made.
pub fn answer(body: &[u8]) -> Option<Answer> {
    let body = std::str::from_utf8(body).ok()?;
    let response: Value = serde_json::from_str(body).ok()?;
    response.get("output")?.as_array()?;
    if !matches!(text(&response, "status"), None | Some("completed" | "incomplete")) {
        return None;
    }
    let parts: Vec<Part> = elements(&response, "output").flat_map(parts).collect();
    let called = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let refused = parts.iter().any(|part| matches!(part, Part::Refusal(_)));
    Some(Answer {
        id: text(&response, "id").map(str::to_owned),
        model: text(&response, "model").map(str::to_owned),
        stop: stop_reason(&response, called, refused),
        parts,
        stop_sequence: None,
        usage: of_response(body),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::form::{Reasoning, StopReason, ToolCall};

    #[test]
    fn items_become_parts() {
        let body = br#"{"id":"resp_1","model":"m","status":"completed","output":[
            {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}],"encrypted_content":"E"},
            {"type":"web_search_call","id":"ws_1"},
            {"type":"message","content":[{"type":"output_text","text":"hi","annotations":[]},{"type":"refusal","refusal":"no"}]},
            {"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{ \"a\":1}"}],
            "usage":{"input_tokens":3,"output_tokens":5}}"#;
        let answer = answer(body).unwrap();
        let reasoning = Reasoning {
            text: "a\n\nb".to_owned(),
            signature: None,
            sealed: Some("E".to_owned()),
            id: Some("rs_1".to_owned()),
        };
        let call = ToolCall { id: "call_1".to_owned(), name: "f".to_owned(), arguments: "{ \"a\":1}".to_owned() };
        assert_eq!(
            answer.parts,
            [Part::Reasoning(reasoning), Part::text("hi"), Part::Refusal("no".to_owned()), Part::ToolCall(call)]
        );
        assert_eq!((answer.stop, answer.usage.unwrap().tokens.total()), (StopReason::ToolUse, 8));
    }

    #[test]
    fn the_status_says_why_it_ended() {
        let stop = |text: &str| answer(text.as_bytes()).map(|answer| answer.stop);
        for (text, expected) in [
            (r#"{"status":"completed","output":[]}"#, Some(StopReason::End)),
            (
                r#"{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}"#,
                Some(StopReason::Length),
            ),
            (
                r#"{"status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[]}"#,
                Some(StopReason::Refusal),
            ),
            (r#"{"status":"incomplete","incomplete_details":null,"output":[]}"#, Some(StopReason::Other)),
            (
                r#"{"status":"completed","output":[{"type":"message","content":[{"type":"refusal","refusal":"x"}]}]}"#,
                Some(StopReason::Refusal),
            ),
            (r#"{"status":"failed","output":[],"error":{"code":"c"}}"#, None),
            (r#"{"status":"queued","output":[]}"#, None),
            (r#"{"error":{}}"#, None),
            ("<html>", None),
        ] {
            assert_eq!(stop(text), expected, "{text}");
        }
    }
}
