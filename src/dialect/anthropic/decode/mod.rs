//! Reads the Anthropic Messages dialect into the form.

mod answer;
mod block;
mod control;
mod object;
mod request;
mod source;
mod stream;
mod tool;
mod turn;

pub use answer::answer;
pub use request::request;
pub use stream::Stream;

#[cfg(test)]
mod tests;
