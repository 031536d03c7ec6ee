//! The Bedrock Converse dialect (B of `relay-api.md`).

pub mod error;
pub mod read;
pub mod tap;
pub mod usage;
