//! Reads OpenAI Responses into the form.

mod answer;
mod content;
mod history;
mod item;
mod request;
mod stream;
mod stream_item;
mod tool;

pub use answer::answer;
pub use request::request;
pub use stream::Stream;
