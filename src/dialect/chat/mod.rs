//! The OpenAI Chat Completions dialect (C of `relay-api.md`).

pub mod decode;
pub mod encode;

pub mod error;
pub mod read;
pub mod tap;
pub mod usage;
