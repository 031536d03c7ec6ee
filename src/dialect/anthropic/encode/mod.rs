//! Writes the form in the Anthropic Messages dialect.

mod answer;
mod request;
mod stream;

pub use answer::answer;
pub use request::request;
pub use stream::Stream;
