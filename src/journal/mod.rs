//! The usage journal: what was called and what it cost, on disk before the client has its answer.
//!
//! Every worker appends to its own file, so records of one attempt keep their order and no lock is taken. A record is
//! written with one `write(2)`; a thread syncs a little later, so `kill -9` loses nothing and power loss at most the last
//! interval. What SQL has stored is acknowledged by position, and files whose every byte is settled are removed.
//!
//! The files of one worker of one process life form a **line** (`<instance>-<life>-w<worker>`), numbered from 0. Positions
//! are ordered along the line, which is what makes rotation safe: a stored position says that everything before it is
//! settled, *in that file and in all earlier files of its line*. While an attempt that was opened in an earlier file is still
//! open, [`Recorded::safe`](actors::outbox::Recorded) stays in that file and later files are not acknowledged at all. So a
//! replay that starts at the newest stored position of a line finds the `opened` record of every attempt that was open, and
//! none whose settlement lies before the start.
//!
//! Consumers must store events in the order in which a worker produced them, and a position only together with (or after)
//! the event that brought it.

mod frame;
mod line;
mod record;

mod append;
mod open;
mod room;
mod sync;

mod dir;
mod writer;

mod interrupted;
mod replay;
mod reread;
mod verify;

mod error;
mod status;

pub use dir::{JournalDir, JournalOptions};
pub use error::JournalError;
pub use replay::replay;
pub use status::{FileReport, JournalStatus, ReplayReport};
pub use verify::verify;
pub use writer::JournalWriter;

#[cfg(test)]
mod tests;
