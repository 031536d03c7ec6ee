//! The product over HTTP: a real server on SQLite and memory (or on MySQL, with `QUOTALANE_TEST_MYSQL_URL`), a mock upstream,
//! raw clients. Every test ends with an audit: nothing is held, and upstream, clients and rows agree.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

mod broken_streams;
mod disconnects;
mod failover;
mod outage;

mod bindings;
mod bodies;
mod concurrency;
mod corpus;
mod counting;
mod limits;
mod money;
mod panics;
mod passthrough;
mod proxies;
mod restart;
mod routes;
mod sessions;
