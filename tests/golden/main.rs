//! Golden tests of the wire formats and adapters: recorded answers, recorded clients, and tables from the references.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod captures;
mod corpus;
mod decoded;
mod decoded_corpus;
#[path = "../support/frames.rs"]
mod frames;
mod matrix;
mod mock;
mod mock_bedrock;
mod mock_chat;
mod mock_faults;
mod mock_google;
mod mock_oauth;
mod mock_responses;
mod passing;
mod plain_http;
mod prepare;
#[path = "../support/recorded.rs"]
mod recorded;
mod sample;
mod verdicts;
