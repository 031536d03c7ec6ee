//! Writes the form in the Anthropic Messages dialect.

mod answer;
mod block;
mod model;
mod reasoning;
mod request;
mod sampling;
mod stream;
mod tool;
mod turn;
mod usage;

pub use answer::answer;
pub use request::request;
pub use stream::Stream;

#[cfg(test)]
mod tests;
