//! QuotaLane: one dependable, metered endpoint over a pool of upstream AI accounts. The edges around the engine.

pub mod store;

pub mod cache;

pub mod identity;
