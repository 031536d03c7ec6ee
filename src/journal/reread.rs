//! Reads settled records of one file again while its process lives: those that memory had no room for.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use actors::domain::usage::JournalPosition;
use actors::outbox::Recorded;

use super::dir::JournalDir;
use super::frame::{self, Found};
use super::record::{self, Record};

/// Bytes read at once; 500 records have about as many.
const PIECE: u64 = 1 << 20;

impl JournalDir {
    /// Settled records that end after `after.offset` (the end of a record, or 0), in file order, at most `limit`. Blocks;
    /// memory is what was read. They claim nothing about what is still open in the file: their `safe` is its start.
    /// Nothing comes of a file that was removed: SQL has everything that was in it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn settled_after(&self, after: &JournalPosition, limit: usize) -> io::Result<Vec<Recorded>> {
        let mut file = match File::open(self.0.path.join(&*after.file)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => file?,
        };
        file.seek(SeekFrom::Start(after.offset))?;
        let safe = JournalPosition { file: Arc::clone(&after.file), offset: 0 };
        let (mut bytes, mut at, mut found) = (Vec::new(), 0, Vec::new());
        // A frame that is cut by the piece, or is being written right now, looks torn: the rest of it comes with the next
        // piece, or the reading ends before it.
        loop {
            while let Found::Frame(payload, end) = frame::read(&bytes, at) {
                at = end;
                if let Some(Record::Settled(event)) = record::decode(payload) {
                    let end = JournalPosition { file: Arc::clone(&after.file), offset: after.offset + end as u64 };
                    found.push(Recorded { event, end, safe: safe.clone() });
                    if found.len() == limit {
                        return Ok(found);
                    }
                }
            }
            if file.by_ref().take(PIECE).read_to_end(&mut bytes)? == 0 {
                return Ok(found);
            }
        }
    }
}
