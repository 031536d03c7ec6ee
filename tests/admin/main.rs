//! The management API over HTTP: a real server, a fresh database per test.

mod support;

mod document;
mod roles;

mod access;
mod accounts;
mod keys;
mod operations;
mod settings;
