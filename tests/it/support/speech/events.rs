//! Takes streams apart: server-sent events, and the frames of AWS event streams with their checksums.

use std::collections::BTreeMap;

use serde_json::Value;

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

/// Headers and payload of each whole frame, checksums checked.
pub fn frames(mut bytes: &[u8]) -> Vec<(BTreeMap<String, String>, Value)> {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().unwrap());
    let mut frames = Vec::new();
    while bytes.len() >= 12 {
        let (total, named) = (number(bytes) as usize, number(&bytes[4..]) as usize);
        if bytes.len() < total {
            break;
        }
        let frame = &bytes[..total];
        assert_eq!(number(&frame[8..]), crc32fast::hash(&frame[..8]), "prelude");
        assert_eq!(number(&frame[total - 4..]), crc32fast::hash(&frame[..total - 4]), "frame");
        let payload = serde_json::from_slice(&frame[12 + named..total - 4]).unwrap();
        frames.push((headers(&frame[12..12 + named]), payload));
        bytes = &bytes[total..];
    }
    frames
}

fn headers(mut bytes: &[u8]) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut headers = BTreeMap::new();
    while let [length, rest @ ..] = bytes {
        let (name, rest) = rest.split_at(usize::from(*length));
        assert_eq!(rest[0], 7, "text");
        let length = usize::from(u16::from_be_bytes([rest[1], rest[2]]));
        headers.insert(text(name), text(&rest[3..3 + length]));
        bytes = &rest[3 + length..];
    }
    headers
}
