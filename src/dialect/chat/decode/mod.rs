//! Reads OpenAI Chat Completions into the form.

mod answer;
mod blocks;
mod control;
mod fields;
mod message;
mod part;
mod request;
mod said;
mod stream;
mod tool;

pub use answer::answer;
pub use request::request;
pub use stream::Stream;

#[cfg(test)]
mod tests;
