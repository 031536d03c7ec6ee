//! Golden tests of the wire formats and adapters: recorded answers, recorded clients, and tables from the references.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod captures;
mod corpus;
mod decoded_corpus;
mod matrix;
mod mock;
mod mock_faults;
mod passing;
mod plain_http;
mod prepare;
mod recorded;
mod sample;
mod verdicts;
