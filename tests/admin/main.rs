//! The management API over HTTP: a real server, a fresh database per test.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first thing that is not as it should be")]

#[path = "../support/spellings.rs"]
mod spellings;
mod slapd;
mod support;
#[path = "../support/token_server.rs"]
mod token_server;

mod document;
mod roles;

mod access;
mod accounts;
mod key_rules;
mod egress;
mod keys;
mod ldap;
mod oauth;
mod openid;
mod operations;
mod people;
mod second_factor;
mod settings;
