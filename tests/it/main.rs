//! The product over HTTP: a real server on SQLite and memory (some tests also on MySQL, with `QUOTALANE_TEST_MYSQL_URL`), a
//! mock upstream, raw clients. Every test ends with an audit: nothing is held, and upstream, clients and rows agree.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "../support/frames.rs"]
mod frames;
#[path = "../support/recorded.rs"]
mod recorded;
mod support;

mod access;
mod account_rules;
mod audited;
mod bindings;
mod bodies;
mod bombs;
mod broken_streams;
mod canaries;
mod commands;
mod concurrency;
mod corpus;
mod counting;
mod cuts;
mod disconnects;
mod failover;
mod framing;
mod keepalives;
mod limits;
mod master_key;
mod matrix;
mod money;
mod mysql;
mod outage;
mod panics;
mod passthrough;
mod proxies;
mod races;
mod refusals;
mod restart;
mod rewriting;
mod routes;
mod sessions;
mod settings;
mod small_endpoints;
mod stored;
mod vendor_errors;
mod vendors;
