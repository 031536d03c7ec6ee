//! The OpenAI Chat Completions dialect (C of `relay-api.md`), with its neighbours: legacy completions, embeddings, images, audio.

pub mod decode;
pub mod encode;

pub mod edit;
pub mod error;
pub mod read;
pub mod tap;
pub mod usage;
pub mod usage_chunk;

mod chunk;
