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
