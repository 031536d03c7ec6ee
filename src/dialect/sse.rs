//! Splits an event stream into events while it passes: no copy unless a line or an event spans chunks.

/// Longest event that is looked into. Longer ones still pass; they are only not seen.
pub const EVENT_CAP: usize = 32 * 1024 * 1024;

/// One event, borrowed from the chunk where possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// Value of the `event` field; empty when there was none.
    pub name: &'a [u8],
    /// The `data` lines joined by LF.
    pub data: &'a [u8],
}

/// An incremental scanner. Lines end with LF, CRLF or CR; chunks may end anywhere; comments and unknown fields are skipped.
#[derive(Debug, Default)]
pub struct Scanner {
    /// The unfinished last line, when `mid_line`.
    line: Vec<u8>,
    mid_line: bool,
    /// Parts of the open event that came with earlier chunks or in several lines.
    name: Vec<u8>,
    data: Vec<u8>,
    has_name: bool,
    has_data: bool,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    /// The open event is longer than the cap: ignored up to its blank line.
    skipping: bool,
    /// Events that were longer than [`EVENT_CAP`].
    pub oversized: u64,
}

/// Parts of the open event that stand in the current chunk.
#[derive(Default)]
struct Borrowed<'c> {
    name: Option<&'c [u8]>,
    data: Option<&'c [u8]>,
}

enum Field<'a> {
    Name(&'a [u8]),
    Data(&'a [u8]),
    Other,
}

fn field(line: &[u8]) -> Field<'_> {
    let value = |rest: &'_ [u8]| -> usize { usize::from(rest.first() == Some(&b' ')) };
    if let Some(rest) = line.strip_prefix(b"data:") {
        return Field::Data(&rest[value(rest)..]);
    }
    if let Some(rest) = line.strip_prefix(b"event:") {
        return Field::Name(&rest[value(rest)..]);
    }
    match line {
        b"data" => Field::Data(b""),
        b"event" => Field::Name(b""),
        _ => Field::Other,
    }
}

impl Scanner {
    /// Scans the next bytes and reports each event that ends in them.
    pub fn feed(&mut self, chunk: &[u8], mut on_event: impl FnMut(Event<'_>)) {
        let mut open = Borrowed::default();
        let mut rest = chunk;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            let line = &rest[..end];
            rest = self.after_line_end(&rest[end..]);
            if self.mid_line {
                self.finish_spanning_line(line, &mut open);
            } else if line.is_empty() {
                self.dispatch(&mut open, &mut on_event);
            } else if !self.skipping {
                self.on_line(line, &mut open);
            }
        }
        self.keep_partial_line(rest);
        self.keep_borrowed(&mut open);
    }

    /// True when the bytes so far end between two events: anything may be written here.
    pub fn at_boundary(&self) -> bool {
        !(self.mid_line || self.has_name || self.has_data || self.skipping)
    }

    fn after_line_end<'c>(&mut self, from_end: &'c [u8]) -> &'c [u8] {
        match from_end {
            [b'\r', b'\n', tail @ ..] | [b'\n', tail @ ..] => tail,
            [b'\r'] => {
                self.after_cr = true;
                &[]
            }
            [_, tail @ ..] => tail,
            [] => &[],
        }
    }

    fn on_line<'c>(&mut self, line: &'c [u8], open: &mut Borrowed<'c>) {
        match field(line) {
            Field::Name(name) => {
                open.name = Some(name);
                self.has_name = true;
            }
            Field::Data(data) if !self.has_data => {
                open.data = Some(data);
                self.has_data = true;
            }
            Field::Data(data) => {
                self.keep_borrowed(open);
                self.append_data(data);
            }
            Field::Other => {}
        }
    }

    /// A line whose first bytes came with an earlier chunk.
    fn finish_spanning_line<'c>(&mut self, tail: &'c [u8], open: &mut Borrowed<'c>) {
        self.mid_line = false;
        self.keep_borrowed(open);
        if self.skipping {
            return;
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(tail);
        match field(&line) {
            Field::Name(name) => {
                self.name.clear();
                self.name.extend_from_slice(name);
                self.has_name = true;
            }
            Field::Data(data) if !self.has_data => {
                self.data.extend_from_slice(data);
                self.has_data = true;
            }
            Field::Data(data) => self.append_data(data),
            Field::Other => {}
        }
        line.clear();
        self.line = line;
        self.check_cap();
    }

    fn append_data(&mut self, data: &[u8]) {
        self.data.push(b'\n');
        self.data.extend_from_slice(data);
        self.check_cap();
    }

    fn dispatch(&mut self, open: &mut Borrowed<'_>, on_event: &mut impl FnMut(Event<'_>)) {
        if !self.skipping && (self.has_name || self.has_data) {
            on_event(Event {
                name: open.name.unwrap_or(self.name.as_slice()),
                data: open.data.unwrap_or(self.data.as_slice()),
            });
        }
        *open = Borrowed::default();
        self.name.clear();
        self.data.clear();
        (self.has_name, self.has_data, self.skipping) = (false, false, false);
    }

    fn keep_partial_line(&mut self, rest: &[u8]) {
        if rest.is_empty() {
            return;
        }
        self.mid_line = true;
        if !self.skipping {
            self.line.extend_from_slice(rest);
            self.check_cap();
        }
    }

    fn keep_borrowed(&mut self, open: &mut Borrowed<'_>) {
        if let Some(name) = open.name.take() {
            self.name.clear();
            self.name.extend_from_slice(name);
        }
        if let Some(data) = open.data.take() {
            self.data.extend_from_slice(data);
        }
    }

    fn check_cap(&mut self) {
        if self.line.len() + self.data.len() > EVENT_CAP {
            self.skipping = true;
            self.oversized += 1;
            (self.line, self.data) = (Vec::new(), Vec::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &[u8], size: usize) -> Vec<(String, String)> {
        let mut scanner = Scanner::default();
        let mut seen = Vec::new();
        for chunk in text.chunks(size) {
            scanner.feed(chunk, |e| {
                seen.push((String::from_utf8_lossy(e.name).into_owned(), String::from_utf8_lossy(e.data).into_owned()));
            });
        }
        seen
    }

    #[test]
    fn every_line_end_and_every_cut_gives_the_same_events() {
        let text = ": hello\n\nevent: a\ndata: {\"x\":1}\n\ndata:two\ndata:  lines 界\nid: 7\n\nevent: b\n\ndata\n\ndata: open";
        let expected = [("a", "{\"x\":1}"), ("", "two\n lines 界"), ("b", ""), ("", "")]
            .map(|(n, d)| (n.to_owned(), d.to_owned()));
        for end in ["\n", "\r\n", "\r"] {
            let text = text.replace('\n', end);
            for size in 1..=text.len() {
                assert_eq!(events(text.as_bytes(), size), expected, "{end:?} by {size}");
            }
        }
    }

    #[test]
    fn knows_where_an_event_ends() {
        let mut scanner = Scanner::default();
        assert!(scanner.at_boundary());
        for (bytes, boundary) in [
            ("event: a", false),
            ("\n", false),
            ("data: 1\n", false),
            ("\n", true),
            (": comment", false),
            ("\n", true),
            ("data: 1\r\n\r", true),
            ("\n", true),
        ] {
            scanner.feed(bytes.as_bytes(), |_| {});
            assert_eq!(scanner.at_boundary(), boundary, "after {bytes:?}");
        }
    }

    #[test]
    fn a_long_event_is_skipped_and_the_next_one_seen() {
        let mut scanner = Scanner::default();
        let mut seen = 0;
        scanner.feed(b"data: ", |_| seen += 1);
        for _ in 0..=32 {
            scanner.feed(&vec![b'x'; 1024 * 1024], |_| seen += 1);
        }
        assert!(!scanner.at_boundary());
        scanner.feed(b"\ndata: more\n\ndata: 2\n\n", |e| {
            assert_eq!(e.data, b"2");
            seen += 1;
        });
        assert_eq!((seen, scanner.oversized), (1, 1));
        assert!(scanner.at_boundary());
    }

    #[test]
    fn a_line_of_five_mebibytes_is_one_event() {
        let mut text = b"data: ".to_vec();
        text.resize(5 * 1024 * 1024, b'y');
        text.extend_from_slice(b"\n\n");
        assert_eq!(events(&text, 65_536)[0].1.len(), 5 * 1024 * 1024 - 6);
    }
}
