//! The `quotalane` binary beside the server of a test: the same configuration, another process.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::app::TestApp;

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl TestApp {
    /// The test's own folder, removed at its end.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Runs a command with this standard input, and lets the server work meanwhile.
    pub async fn command(&self, words: &[&str], input: &str) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quotalane"));
        command.args(words).env_clear().envs(self.environment.clone());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input = input.to_owned();
        let ended = tokio::task::spawn_blocking(move || {
            let mut process = command.spawn().unwrap();
            // A command that needs no input may have closed it.
            let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
            process.wait_with_output().unwrap()
        });
        let ended = ended.await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { code: ended.status.code(), out: text(ended.stdout), err: text(ended.stderr) }
    }
}
