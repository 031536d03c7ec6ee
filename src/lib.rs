//! QuotaLane, an AI-API relay: the edges around the engine in `actors`.

pub mod config;
pub mod dialect;
pub mod journal;
pub mod transport;

pub mod observe;
pub mod mock;
pub mod upstream;

pub mod relay;

pub mod http;

pub mod app;
pub mod cli;
