//! QuotaLane: one dependable, metered endpoint over a pool of upstream AI accounts. The edges around the engine.

pub mod cache;
pub mod config;
pub mod dialect;
pub mod journal;
pub mod store;
pub mod transport;

pub mod identity;
pub mod mock;
pub mod observe;
pub mod upstream;

pub mod commerce;
pub mod onboarding;
pub mod relay;

pub mod http;

pub mod app;
pub mod cli;
