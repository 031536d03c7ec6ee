//! Reads Google's `generateContent` into the form.

mod answer;
mod contents;
mod generation;
mod part;
mod partial;
mod request;
mod schema;
mod stream;
mod tools;

pub use answer::{answer, signatures};
pub use request::request;
pub use stream::Stream;
