//! Takes streams apart by the formats' own rules, apart from both the relay's and the mock's code.

use serde_json::Value;

use crate::frames::{self, Frame};
use crate::plain_http::Answer;

/// Name and data of each server-sent event; data that is no JSON stays text.
pub fn events(answer: &Answer) -> Vec<(String, Value)> {
    let text = answer.text().replace("\r\n", "\n");
    let one = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        let data = field("data: ");
        (field("event: "), serde_json::from_str(&data).unwrap_or(Value::String(data)))
    };
    text.split("\n\n").filter(|block| !block.is_empty()).map(one).collect()
}

/// Every frame of an AWS event stream that ends with a whole one.
pub fn frames(bytes: &[u8]) -> Vec<Frame> {
    let (frames, rest) = frames::frames(bytes);
    assert!(rest.is_empty(), "the last frame is cut");
    frames
}
