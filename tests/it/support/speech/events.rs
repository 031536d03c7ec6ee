//! Takes streams apart: server-sent events, and the frames of AWS event streams with their checksums.

use serde_json::Value;

use crate::frames::{self, Frame};

/// The data of each event; data that is no JSON stays text. What was not ended by a blank line is no event.
pub fn sse(body: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(body).replace("\r\n", "\n");
    let mut blocks: Vec<&str> = text.split("\n\n").collect();
    blocks.pop();
    let data = |block: &str| {
        let lines = block.lines().filter_map(|line| line.strip_prefix("data:"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    };
    let json = |data: String| serde_json::from_str(&data).unwrap_or(Value::String(data));
    blocks.into_iter().map(data).filter(|data| !data.is_empty()).map(json).collect()
}

/// Comment lines.
pub fn comments(body: &[u8]) -> usize {
    String::from_utf8_lossy(body).lines().filter(|line| line.starts_with(':')).count()
}

/// Every whole frame of an AWS event stream, which may be cut behind them.
pub fn frames(bytes: &[u8]) -> Vec<Frame> {
    frames::frames(bytes).0
}
