//! Takes the chunked transfer coding off a byte stream that arrives in any pieces.

/// Where the decoder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size,
    Data(usize),
    DataEnd,
    Trailer,
    Done,
}

/// What is wrong with a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// An incremental decoder.
#[derive(Debug)]
pub struct Chunked {
    state: State,
    line: Vec<u8>,
}

impl Default for Chunked {
    fn default() -> Self {
        Self { state: State::Size, line: Vec::with_capacity(16) }
    }
}

impl Chunked {
    /// Decodes a piece, appending to `body`. True when the last chunk was seen.
    pub fn feed(&mut self, mut piece: &[u8], body: &mut Vec<u8>) -> Result<bool, Malformed> {
        while !piece.is_empty() && self.state != State::Done {
            piece = match self.state {
                State::Data(left) => self.data(piece, left, body),
                State::Size | State::DataEnd | State::Trailer => self.line(piece)?,
                State::Done => break,
            };
        }
        Ok(self.state == State::Done)
    }

    fn data<'a>(&mut self, piece: &'a [u8], left: usize, body: &mut Vec<u8>) -> &'a [u8] {
        let take = left.min(piece.len());
        body.extend_from_slice(&piece[..take]);
        self.state = if take == left { State::DataEnd } else { State::Data(left - take) };
        &piece[take..]
    }

    fn line<'a>(&mut self, piece: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let Some(end) = memchr::memchr(b'\n', piece) else {
            self.line.extend_from_slice(piece);
            return if self.line.len() > 1024 { Err(Malformed) } else { Ok(&[]) };
        };
        self.line.extend_from_slice(&piece[..end]);
        let text = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        self.state = match self.state {
            State::Size => after_size(size(text)?),
            State::Trailer if text.is_empty() => State::Done,
            State::Trailer => State::Trailer,
            State::DataEnd if text.is_empty() => State::Size,
            _ => return Err(Malformed),
        };
        self.line.clear();
        Ok(&piece[end + 1..])
    }
}

fn after_size(size: usize) -> State {
    if size == 0 { State::Trailer } else { State::Data(size) }
}

/// The size line: hexadecimal, extensions after a semicolon ignored.
fn size(line: &[u8]) -> Result<usize, Malformed> {
    let digits = line.split(|b| *b == b';').next().unwrap_or_default();
    let text = std::str::from_utf8(digits).map_err(|_| Malformed)?;
    usize::from_str_radix(text.trim(), 16).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: &[u8] = b"5\r\nhello\r\n1;x=y\r\n \r\n6\r\nworld!\r\n0\r\n\r\n";

    #[test]
    fn decodes_at_every_piece_size() {
        for size in 1..=WIRE.len() {
            let (mut decoder, mut body) = (Chunked::default(), Vec::new());
            let done = WIRE.chunks(size).map(|piece| decoder.feed(piece, &mut body).unwrap()).last();
            assert_eq!((done, body.as_slice()), (Some(true), &b"hello world!"[..]), "pieces of {size}");
        }
    }

    #[test]
    fn refuses_what_is_not_chunked() {
        assert_eq!(Chunked::default().feed(b"{\"a\":1}\n", &mut Vec::new()), Err(Malformed));
    }
}
