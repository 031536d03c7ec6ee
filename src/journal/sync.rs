//! The thread that makes records durable a little after they were written. It sleeps while nothing is written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::append::Live;

/// The files that are being written, and the thread that syncs them.
#[derive(Debug)]
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    files: Mutex<Vec<Arc<Live>>>,
    /// Something was written since the thread last looked.
    pending: AtomicBool,
    stop: AtomicBool,
    every: Duration,
}

impl Syncer {
    pub(super) fn start(every: Duration) -> std::io::Result<Self> {
        let [pending, stop] = [AtomicBool::new(false), AtomicBool::new(false)];
        let shared = Arc::new(Shared { files: Mutex::default(), pending, stop, every });
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new().name("journal-sync".to_owned()).spawn(move || own.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// A file is written from now on.
    pub(super) fn add(&self, file: Arc<Live>) {
        self.lock().push(file);
    }

    /// A file is complete: the thread syncs it once more and forgets it.
    pub(super) fn remove(&self, file: &Live) {
        file.complete.store(true, Ordering::Release);
        self.wake();
    }

    /// Calls the thread after a write. Costs one atomic swap while the thread knows already.
    pub(super) fn wake(&self) {
        if !self.shared.pending.swap(true, Ordering::AcqRel)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
    }

    /// The files that are being written.
    pub(super) fn live(&self) -> Vec<Arc<Live>> {
        self.lock().iter().filter(|file| !file.complete.load(Ordering::Acquire)).cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Live>>> {
        self.shared.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the thread has been reported by the runtime; there is nothing left to sync with.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        while !self.stop.load(Ordering::Acquire) {
            if !self.pending.load(Ordering::Acquire) {
                thread::park();
                continue;
            }
            // A spurious wake-up only syncs early.
            thread::park_timeout(self.every);
            self.pending.store(false, Ordering::Release);
            self.sync_all();
        }
        self.sync_all();
    }

    fn sync_all(&self) {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let complete: Vec<_> = files
            .into_iter()
            .filter(|file| {
                let complete = file.complete.load(Ordering::Acquire);
                sync(file);
                complete
            })
            .collect();
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|file| !complete.iter().any(|other| Arc::ptr_eq(file, other)));
    }
}

fn sync(file: &Live) {
    if file.dirty.swap(false, Ordering::AcqRel)
        && let Err(error) = file.file.sync_data()
    {
        // The kernel may have dropped the pages: the next record goes to a new file.
        file.spoilt.store(true, Ordering::Relaxed);
        tracing::error!(file = &*file.name, %error, "journal sync failed");
    }
}
