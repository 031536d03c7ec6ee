//! State that outlives its actor: its supervisor builds a new actor around it after a panic.

use std::sync::{Arc, Mutex, PoisonError};

/// A cell that belongs to one actor. Only that actor changes it, so nobody ever waits; others read gauges from it.
#[derive(Debug, Default)]
pub struct Kept<T>(Arc<Mutex<T>>);

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Kept<T> {
    /// A cell with this state.
    pub fn new(state: T) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// Works with the state. A panic inside leaves what was written so far: every owner keeps its state valid between
    /// two writes.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
