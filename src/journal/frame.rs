//! Frames: length (u32 LE), CRC-32 of the payload (u32 LE), payload.

/// Bytes in front of a payload.
const HEADER: usize = 8;
/// A longer payload is damage, not a record: the largest (raw usage and all) have a few KiB.
const LONGEST: usize = 16 << 20;

/// Starts a frame in a buffer that is used again and again.
pub(super) fn begin(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.resize(HEADER, 0);
}

/// Completes the frame whose payload was appended. False when it is too long.
pub(super) fn finish(buffer: &mut [u8]) -> bool {
    let Some((header, payload)) = buffer.split_at_mut_checked(HEADER) else { return false };
    if payload.is_empty() || payload.len() > LONGEST {
        return false;
    }
    let Ok(length) = u32::try_from(payload.len()) else { return false };
    let (left, right) = header.split_at_mut(4);
    left.copy_from_slice(&length.to_le_bytes());
    right.copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    true
}

/// What stands at a place of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A whole frame and where it ends.
    Frame(&'a [u8], usize),
    /// The end of the file.
    End,
    /// Neither: a torn or damaged frame.
    Bad,
}

/// Reads the frame at `at`.
pub(super) fn read(bytes: &[u8], at: usize) -> Found<'_> {
    match bytes.get(at..) {
        None => Found::Bad,
        Some([]) => Found::End,
        Some(rest) => whole(rest).map_or(Found::Bad, |payload| Found::Frame(payload, at + HEADER + payload.len())),
    }
}

fn whole(rest: &[u8]) -> Option<&[u8]> {
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if length == 0 || length > LONGEST {
        return None;
    }
    let payload = rest.get(..length)?;
    (crc32fast::hash(payload) == u32::from_le_bytes(*crc)).then_some(payload)
}

/// The first whole frame at or behind `from` whose payload starts like a record. A tail is only torn, and not damaged, when
/// there is none.
pub(super) fn find(bytes: &[u8], from: usize, starts_like_record: impl Fn(&[u8]) -> bool) -> Option<usize> {
    (from..bytes.len().saturating_sub(HEADER)).find(|at| {
        bytes.get(at + HEADER..).is_some_and(&starts_like_record) && matches!(read(bytes, *at), Found::Frame(..))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut buffer = vec![9; 100];
        begin(&mut buffer);
        buffer.extend_from_slice(payload);
        assert!(finish(&mut buffer));
        buffer
    }

    #[test]
    fn frames_follow_each_other() {
        let bytes = [frame(b"one"), frame(b"two!")].concat();
        assert_eq!(read(&bytes, 0), Found::Frame(b"one", 11));
        assert_eq!(read(&bytes, 11), Found::Frame(b"two!", 23));
        assert_eq!(read(&bytes, 23), Found::End);
        assert_eq!(read(&bytes, 24), Found::Bad);
        assert!(!finish(&mut [0; 8]), "an empty payload could not be told from zeroes");
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let whole = frame(b"payload");
        for at in 0..whole.len() {
            assert_eq!(read(&whole[..at.max(1)], 0), Found::Bad, "cut at {at}");
            let mut changed = whole.clone();
            changed[at] ^= 0x40;
            assert_eq!(read(&changed, 0), Found::Bad, "changed at {at}");
        }
        assert_eq!(read(&[0; 64], 0), Found::Bad);
    }

    #[test]
    fn the_next_frame_is_found_behind_damage() {
        let bytes = [vec![1, 2, 3], frame(b"later")].concat();
        assert_eq!(find(&bytes, 0, |payload| payload.starts_with(b"l")), Some(3));
        assert_eq!(find(&bytes, 4, |_| true), None);
        assert_eq!(find(&bytes[..bytes.len() - 1], 0, |_| true), None);
    }
}
