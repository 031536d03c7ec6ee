//! The HTTP surface: management API, probes, and the relay routes.

pub mod admin;
pub mod csv;
pub mod envelope;
pub mod error;
pub mod extract;
pub mod probes;
pub mod protect;
pub mod relay;
