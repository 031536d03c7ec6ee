//! The Anthropic Messages dialect (A of `relay-api.md`), in the order in which a request meets it.

pub mod peek;

pub mod session;

pub mod estimate;

pub mod edit;

pub mod model_name;

pub mod usage;

pub mod tap;

pub mod answer;

pub mod error;
