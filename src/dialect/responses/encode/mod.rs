//! Writes the form in OpenAI Responses.

mod answer;
mod input;
mod item;
mod request;
mod response;
mod stream;
mod stream_item;
mod tool;

pub use answer::answer;
pub use request::request;
pub use stream::Stream;
