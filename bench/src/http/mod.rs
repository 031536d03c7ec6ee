//! A raw HTTP/1.1 keep-alive client: one socket, reused buffers, no header map. It costs a few microseconds per call, so
//! that what is measured is the other side.

mod answer;
mod chunked;
mod connection;

pub use answer::{Answer, End, Head};
pub use connection::{Connection, get, post};
