//! Writes the requested model name back into an answer, when an account's map had changed it.

use bytes::Bytes;

/// A JSON answer with its top-level `model` replaced; unchanged when it has none.
pub fn rename_answer(body: &Bytes, requested: &str) -> Bytes {
    todo!()
}

/// Rewrites the model in the `message_start` event of a stream.
#[derive(Debug)]
pub struct ModelRewriter {
    requested: String,
}

impl ModelRewriter {
    /// A rewriter for one stream.
    pub fn new(requested: &str) -> Self {
        Self { requested: requested.to_owned() }
    }

    /// Takes a chunk and returns what may go on now; empty while the first event is incomplete.
    pub fn feed(&mut self, chunk: Bytes) -> Bytes {
        todo!()
    }

    /// What is still held when the stream ends.
    pub fn finish(&mut self) -> Bytes {
        todo!()
    }
}
