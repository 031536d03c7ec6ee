//! Reads the frames of an AWS event stream, independently of the product.

use std::collections::BTreeMap;

use serde_json::Value;

/// Headers and payload of a frame.
pub type Frame = (BTreeMap<String, String>, Value);

/// Every whole frame, checksums checked, and the bytes behind the last one.
pub fn frames(mut bytes: &[u8]) -> (Vec<Frame>, &[u8]) {
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
    (frames, bytes)
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
