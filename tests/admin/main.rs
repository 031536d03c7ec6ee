//! The management API over HTTP: a real server, a fresh database per test.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first thing that is not as it should be")]

mod support;
#[path = "../support/token_server.rs"]
mod token_server;

mod document;
mod roles;

mod access;
mod accounts;
mod keys;
mod money;
mod oauth;
mod operations;
mod settings;
