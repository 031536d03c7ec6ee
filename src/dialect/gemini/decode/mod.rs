//! Reads Google's `generateContent` into the form.

mod answer;
mod request;
mod stream;

pub use answer::answer;
pub use request::request;
pub use stream::Stream;
