//! The management API over HTTP: a real server, a fresh database per test.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first thing that is not as it should be")]

mod slapd;
#[path = "../support/spellings.rs"]
mod spellings;
mod support;
#[path = "../support/token_server.rs"]
mod token_server;

mod document;
mod roles;

mod access;
mod accounts;
mod egress;
mod key_rules;
mod keys;
mod ldap;
mod money;
mod oauth;
mod openid;
mod operations;
mod people;
mod second_factor;
mod settings;
