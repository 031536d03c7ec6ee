//! Reads settled records of one file again while its process lives: those that memory had no room for.

use std::fs;
use std::io;
use std::sync::Arc;

use actors::domain::usage::JournalPosition;
use actors::outbox::Recorded;

use super::dir::JournalDir;
use super::frame::{self, Found};
use super::record::{self, Record};

impl JournalDir {
    /// Settled records that end after `after.offset`, in file order, at most `limit`. Blocks; memory is one file. They
    /// claim nothing about what is still open in the file: their `safe` is its start.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn settled_after(&self, after: &JournalPosition, limit: usize) -> io::Result<Vec<Recorded>> {
        let bytes = fs::read(self.0.path.join(&*after.file))?;
        let safe = JournalPosition { file: Arc::clone(&after.file), offset: 0 };
        let (mut at, mut found) = (0, Vec::new());
        // A frame that is being written right now looks torn: the reading ends before it.
        while let Found::Frame(payload, end) = frame::read(&bytes, at) {
            at = end;
            if (end as u64) <= after.offset {
                continue;
            }
            if let Some(Record::Settled(event)) = record::decode(payload) {
                let end = JournalPosition { file: Arc::clone(&after.file), offset: end as u64 };
                found.push(Recorded { event, end, safe: safe.clone() });
                if found.len() == limit {
                    break;
                }
            }
        }
        Ok(found)
    }
}
