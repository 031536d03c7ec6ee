//! Splits an SSE byte stream into events as it passes, without copying.
