//! The Google `generateContent` dialect (G of `relay-api.md`), and the Code Assist envelope around it.

pub mod decode;
pub mod encode;

pub mod code_assist;
pub mod error;
pub mod read;
pub mod tap;
pub mod usage;

mod chunk;
mod fields;
mod wire;
