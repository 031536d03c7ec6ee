//! An AWS event stream that passes as it is, but by whole frames only: wherever it breaks off, a frame of ours may follow.

use bytes::{Bytes, BytesMut};

/// A frame is no shorter: two lengths and two checksums.
const SHORTEST: usize = 16;

/// The frame that is not complete yet.
#[derive(Debug, Default)]
pub struct KeptFrames(BytesMut);

impl KeptFrames {
    /// Takes the next bytes; returns the frames that are complete with them. Checksums are the unpacker's business.
    pub fn feed(&mut self, chunk: Bytes) -> Bytes {
        if self.0.is_empty() && complete(&chunk) == chunk.len() {
            return chunk;
        }
        self.0.extend_from_slice(&chunk);
        let length = complete(&self.0);
        self.0.split_to(length).freeze()
    }
}

/// The length of the whole frames at the start of some bytes.
fn complete(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(head) = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>) {
        let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        let end = at.saturating_add(length);
        if length < SHORTEST || end > bytes.len() {
            break;
        }
        at = end;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::wire::error_frame;

    #[test]
    fn only_whole_frames_are_handed_out_however_they_are_cut() {
        let stream = [error_frame("api_error", "one"), error_frame("api_error", "another")].concat();
        for size in [1, 7, stream.len()] {
            let (mut kept, mut out) = (KeptFrames::default(), Vec::new());
            for part in stream.chunks(size) {
                let frames = kept.feed(Bytes::copy_from_slice(part));
                assert_eq!(complete(&frames), frames.len());
                out.extend_from_slice(&frames);
            }
            assert_eq!(out, stream);
            assert!(kept.feed(Bytes::from_static(b"\0\0\0\x30abc")).is_empty());
        }
    }
}
