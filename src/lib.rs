//! QuotaLane: one dependable, metered endpoint over a pool of upstream AI accounts.

pub mod config;

pub mod observe;

pub mod http;
