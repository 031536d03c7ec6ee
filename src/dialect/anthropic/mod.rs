//! The Anthropic Messages dialect (A of `relay-api.md`), in the order in which a request meets it.

pub mod peek;
pub mod session;

pub mod estimate;

mod spans;

pub mod edit;
pub mod model_name;

mod delta;

pub mod answer;
pub mod tap;
pub mod usage;

pub mod error;
