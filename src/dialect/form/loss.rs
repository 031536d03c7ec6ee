//! What a translation cannot carry: refused with a clear error, or dropped and counted; never silently changed.

/// Something of the request has no counterpart in the other dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct Unsupported {
    /// Place in the client's body, like `messages[2].content[0]`.
    pub path: String,
    /// What is wrong with it, as a sentence without full stop.
    pub what: &'static str,
}

/// Collects what was dropped, and decides what may be.
#[derive(Debug, Default)]
pub struct Losses {
    lossy: bool,
    dropped: Vec<&'static str>,
}

impl Losses {
    /// `lossy` = the caller's group agrees to lose what cannot be carried.
    pub fn new(lossy: bool) -> Self {
        Self { lossy, dropped: Vec::new() }
    }

    /// A loss that changes what is asked for: an error, unless losses are agreed to. `word` names it in metrics and journal.
    ///
    /// # Errors
    /// [`Unsupported`], when losses are not agreed to.
    pub fn refuse(
        &mut self,
        word: &'static str,
        path: impl Into<String>,
        what: &'static str,
    ) -> Result<(), Unsupported> {
        if self.lossy {
            self.drop(word);
            return Ok(());
        }
        Err(Unsupported { path: path.into(), what })
    }

    /// A loss that a rule of `relay-api.md` §9 allows always (hints, vendor-bound signatures): only counted.
    pub fn drop(&mut self, word: &'static str) {
        if !self.dropped.contains(&word) {
            self.dropped.push(word);
        }
    }

    /// The words of what was dropped, each once.
    pub fn dropped(&self) -> &[&'static str] {
        &self.dropped
    }
}
