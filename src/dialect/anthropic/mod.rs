//! The Anthropic Messages dialect (A of `relay-api.md`), in the order in which a request meets it.

pub mod decode;
pub mod encode;

mod delta;
mod stop;

pub mod answer;
pub mod tap;
pub mod usage;

pub mod error;

#[cfg(test)]
mod round_trip;
