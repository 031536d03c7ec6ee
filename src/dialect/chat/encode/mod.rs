//! Writes the form in OpenAI Chat Completions.

mod answer;
mod request;
mod stream;

pub use answer::answer;
pub use request::request;
pub use stream::Stream;
