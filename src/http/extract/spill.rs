//! A body while it comes in: in memory while it is small, then in a file without a name (`reliability.md` R14). What slow
//! senders and bombs make the process hold is bounded, however many there are.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// A body of this size stays in memory.
const LARGEST_KEPT: usize = 1024 * 1024;
/// When all bodies together hold this much, only smaller ones stay.
const BUDGET: usize = 64 * 1024 * 1024;
/// A body of this size always stays in memory: a file would cost more.
const ALWAYS_KEPT: usize = 64 * 1024;
/// Bytes that are written to a file at once.
const WRITE: usize = 256 * 1024;

/// What all bodies of the process share.
#[derive(Debug)]
pub struct Spill {
    dir: PathBuf,
    /// Bytes of bodies that are not complete yet.
    held: AtomicUsize,
    decoders: Decoders,
}

/// A few threads of their own for decoding. Each body may need a window of many MiB, and what a thread has once allocated its
/// allocator keeps for a while: on the many threads of a common pool that would add up.
#[derive(Debug)]
struct Decoders(Option<Runtime>);

impl Decoders {
    fn start() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let threads = (cores / 2).clamp(1, 4);
        let built = Builder::new_current_thread().max_blocking_threads(threads).thread_name("decoder").build();
        Self(built.inspect_err(|error| tracing::error!(%error, "bodies cannot be decoded")).ok())
    }
}

impl Drop for Decoders {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Spill {
    /// Spills into a folder, which must be on a disk.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, held: AtomicUsize::new(0), decoders: Decoders::start() }
    }

    /// Decodes where nobody waits for a processor; `None` when there are no such threads.
    pub fn decode<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<JoinHandle<T>> {
        self.decoders.0.as_ref().map(|runtime| runtime.spawn_blocking(work))
    }

    /// Whether a body of this size may be in memory now.
    fn keeps(&self, length: usize) -> bool {
        length <= ALWAYS_KEPT || (length <= LARGEST_KEPT && self.held.load(Ordering::Relaxed) <= BUDGET)
    }
}

/// A body that grows. What it holds is given back when it is complete or dropped.
pub struct Growing {
    spill: Arc<Spill>,
    memory: Vec<u8>,
    /// What of the memory is counted.
    counted: usize,
    file: Option<File>,
    length: usize,
}

impl Growing {
    /// An empty body with room for so many bytes.
    pub fn new(spill: &Arc<Spill>, room: usize) -> Self {
        let memory = Vec::with_capacity(room.min(LARGEST_KEPT));
        Self { spill: Arc::clone(spill), memory, counted: 0, file: None, length: 0 }
    }

    /// A body of these bytes.
    ///
    /// # Errors
    /// The disk has no room for it.
    pub fn holding(spill: &Arc<Spill>, bytes: &[u8]) -> io::Result<Self> {
        let mut body = Self::new(spill, bytes.len());
        body.push(bytes).map(|()| body)
    }

    /// How long it is.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks whether a body is empty")]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether so many further bytes go to memory; otherwise [`Self::push`] touches the disk.
    pub fn has_room(&self, more: usize) -> bool {
        match self.file {
            None => self.spill.keeps(self.memory.len() + more),
            Some(_) => self.memory.len() + more <= WRITE,
        }
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// The disk has no room for it.
    pub fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        if !self.has_room(chunk.len()) {
            self.write_out()?;
        }
        self.memory.extend_from_slice(chunk);
        self.length += chunk.len();
        self.count();
        Ok(())
    }

    fn write_out(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            // Unlinked from its first moment: nothing is left behind, whatever happens to the process.
            none => none.insert(tempfile::tempfile_in(&self.spill.dir)?),
        };
        file.write_all(&self.memory)?;
        self.memory.clear();
        self.memory.shrink_to(WRITE);
        self.count();
        Ok(())
    }

    fn count(&mut self) {
        let now = self.memory.len();
        self.spill.held.fetch_add(now, Ordering::Relaxed);
        self.spill.held.fetch_sub(self.counted, Ordering::Relaxed);
        self.counted = now;
    }

    /// Nothing of it is in memory only.
    pub const fn is_spilled(&self) -> bool {
        self.file.is_some()
    }

    /// The whole body from its begin.
    ///
    /// # Errors
    /// The disk failed.
    pub fn reader(&mut self) -> io::Result<Box<dyn Read + '_>> {
        match &mut self.file {
            None => Ok(Box::new(self.memory.as_slice())),
            Some(file) => {
                file.rewind()?;
                Ok(Box::new(file.chain(self.memory.as_slice())))
            }
        }
    }

    /// The whole body in memory.
    ///
    /// # Errors
    /// The disk failed.
    pub fn into_bytes(mut self) -> io::Result<Bytes> {
        let Some(mut file) = self.file.take() else { return Ok(Bytes::from(std::mem::take(&mut self.memory))) };
        file.rewind()?;
        let mut whole = Vec::with_capacity(self.length);
        file.read_to_end(&mut whole)?;
        whole.extend_from_slice(&self.memory);
        Ok(Bytes::from(whole))
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        self.spill.held.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spill() -> (tempfile::TempDir, Arc<Spill>) {
        let dir = tempfile::tempdir().unwrap();
        let spill = Arc::new(Spill::new(dir.path().to_owned()));
        (dir, spill)
    }

    #[test]
    fn a_large_body_goes_to_a_file_without_a_name_and_comes_back_whole() {
        let (dir, spill) = spill();
        let mut body = Growing::new(&spill, 0);
        let mut whole = Vec::new();
        for n in 0..200_u8 {
            let chunk = vec![n; 20_011];
            body.push(&chunk).unwrap();
            whole.extend(chunk);
        }
        assert!(body.is_spilled() && spill.held.load(Ordering::Relaxed) <= WRITE);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut read = Vec::new();
        body.reader().unwrap().read_to_end(&mut read).unwrap();
        assert!(read == whole && body.len() == whole.len());
        assert!(body.into_bytes().unwrap() == whole);
        assert_eq!(spill.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn small_bodies_stay_in_memory_and_many_middling_ones_do_not() {
        let (_dir, spill) = spill();
        let chunk = vec![1; 512 * 1024];
        let mut bodies: Vec<Growing> = (0..120).map(|_| Growing::new(&spill, 0)).collect();
        for body in &mut bodies {
            body.push(&chunk).unwrap();
        }
        assert!(bodies.iter().all(|body| !body.is_spilled()), "a body is written out with what comes after it");
        for body in &mut bodies {
            body.push(&chunk[..100 * 1024]).unwrap();
        }
        let spilled = bodies.iter().filter(|body| body.is_spilled()).count();
        assert!(spilled > 5 && spill.held.load(Ordering::Relaxed) <= BUDGET + chunk.len(), "{spilled}");
        drop(bodies);
        assert_eq!(spill.held.load(Ordering::Relaxed), 0);
    }
}
