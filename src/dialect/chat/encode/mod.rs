//! Writes the form in OpenAI Chat Completions.

mod answer;
mod body;
mod message;
mod part;
mod request;
mod stream;
mod token;
mod wire;

pub use answer::answer;
pub use request::request;
pub use stream::Stream;

#[cfg(test)]
mod tests;
