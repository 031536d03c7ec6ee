//! AWS event-stream frames: lengths, headers and payload between two checksums.

use bytes::{BufMut, Bytes, BytesMut};

/// Type byte of a header whose value is text.
const TEXT: u8 = 7;

/// One frame. Header names and values are short by construction.
pub(super) fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut named = BytesMut::new();
    for (name, value) in headers {
        named.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        named.put_slice(name.as_bytes());
        named.put_u8(TEXT);
        named.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        named.put_slice(value.as_bytes());
    }
    let length = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
    let mut out = BytesMut::with_capacity(16 + named.len() + payload.len());
    out.put_u32(length(16 + named.len() + payload.len()));
    out.put_u32(length(named.len()));
    out.put_u32(crc32fast::hash(&out));
    out.put_slice(&named);
    out.put_slice(payload);
    out.put_u32(crc32fast::hash(&out));
    out.freeze()
}

/// A frame that carries an event.
pub(super) fn event(kind: &str, payload: &[u8]) -> Bytes {
    frame(&[(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")], payload)
}

/// A frame that ends the stream with an error.
pub(super) fn exception(kind: &str, payload: &[u8]) -> Bytes {
    frame(&[(":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")], payload)
}

/// A frame whose last checksum is wrong.
pub(super) fn damaged() -> Bytes {
    let mut bytes = event("chunk", b"{\"bytes\":\"e30=\"}").to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 0xff;
    }
    Bytes::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::event;

    /// Taken from a recorded Converse stream.
    #[test]
    fn a_frame_is_the_vendors_frame() {
        let payload = br#"{"p":"abcde","role":"assistant"}"#;
        let frame = event("messageStart", payload);
        assert_eq!(frame[..12], *b"\x00\x00\x00\x82\x00\x00\x00R+a\x0cC");
        assert_eq!(frame[12..26], *b"\x0b:event-type\x07\x00");
        assert_eq!(frame[frame.len() - 4..], *b"*.s\x18");
        assert_eq!(frame.len(), 0x82);
    }
}
