//! The form as a complete answer.

use super::item::{Item, of_part};
use super::response::Response;
use crate::dialect::convert::Reply;
use crate::dialect::form::{Answer, Part};

/// Writes a complete answer.
pub fn answer(answer: &Answer, reply: &Reply) -> Vec<u8> {
    let mut output: Vec<Item> = Vec::with_capacity(answer.parts.len());
    for part in &answer.parts {
        output.extend(of_part(&reply.id, output.len(), part));
    }
    let refused = answer.parts.iter().any(|part| matches!(part, Part::Refusal(_)));
    let response = Response::ended(reply, &output, answer.stop, refused, answer.usage.as_ref());
    // Strings and numbers always serialise.
    serde_json::to_vec(&response).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::dialect::form::{Reasoning, StopReason, ToolCall};
    use crate::dialect::responses::decode;

    fn written(parts: Vec<Part>, stop: StopReason) -> Vec<u8> {
        let reply = Reply { model: "m".to_owned(), id: "01".to_owned(), created: 7, include_usage: false };
        answer(&Answer { parts, stop, ..Answer::default() }, &reply)
    }

    #[test]
    fn what_is_written_decodes_to_the_same() {
        let call = ToolCall { id: "c".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() };
        let reasoning = Reasoning { text: "hm".to_owned(), id: Some("rs_01_0".to_owned()), ..Reasoning::default() };
        let parts =
            vec![Part::Reasoning(reasoning), Part::text("a"), Part::Refusal("no".to_owned()), Part::ToolCall(call)];
        let decoded = decode::answer(&written(parts.clone(), StopReason::ToolUse)).unwrap();
        assert_eq!((decoded.parts, decoded.stop), (parts, StopReason::ToolUse));
        assert_eq!((decoded.id.as_deref(), decoded.model.as_deref()), (Some("resp_01"), Some("m")));
    }

    #[test]
    fn sealed_reasoning_leaves_no_item() {
        let sealed = Reasoning { sealed: Some("E".to_owned()), ..Reasoning::default() };
        let body = written(vec![Part::Reasoning(sealed), Part::text("a")], StopReason::Length);
        let response: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&response["output"][0]["id"], &response["status"]), (&"msg_01_0".into(), &"incomplete".into()));
        assert_eq!(decode::answer(&body).unwrap().stop, StopReason::Length);
    }
}
