//! The OpenAI Responses dialect (R of `relay-api.md`).

pub mod decode;
pub mod encode;

mod namespace;

pub mod error;
pub mod read;
pub mod tap;
pub mod usage;

pub mod edit;
pub mod fold;
