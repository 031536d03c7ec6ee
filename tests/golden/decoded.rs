//! Takes streams apart by the formats' own rules, apart from both the relay's and the mock's code.

use std::collections::BTreeMap;

use serde_json::Value;

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

/// Headers and payload of each frame of an AWS event stream, checksums checked.
pub fn frames(mut bytes: &[u8]) -> Vec<(BTreeMap<String, String>, Value)> {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().unwrap());
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (total, named) = (number(bytes) as usize, number(&bytes[4..]) as usize);
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
