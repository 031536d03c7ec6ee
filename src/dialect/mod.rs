//! Wire formats: what a body, a stream event and an error look like. Pure: no I/O, no clock, no accounts.

pub mod anthropic;
pub mod model_list;
pub mod sse;
