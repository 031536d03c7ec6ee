//! Writes the form in Google's `generateContent`.

mod answer;
mod contents;
mod request;
mod stream;
mod thinking;

pub use answer::answer;
pub use request::request;
pub use stream::Stream;
