//! Exit codes of the command line; part of its public surface (`ops.md` §1).

use std::process::ExitCode;

use crate::config::Problems;

/// How a command failed.
#[derive(Debug)]
pub enum Failure {
    /// It did not work.
    Failed(String),
    /// The command line is wrong.
    Usage(String),
    /// The configuration is invalid or secrets are missing.
    Config(String),
    /// A dependency cannot be reached.
    Unreachable(String),
    /// A check found something wrong.
    Check(String),
    /// Interrupted by a person.
    Interrupted,
}

impl Failure {
    /// What the process ends with.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Config(_) => 3,
            Self::Unreachable(_) => 4,
            Self::Check(_) => 5,
            Self::Interrupted => 130,
        })
    }

    /// What is said on standard error.
    pub fn text(&self) -> &str {
        match self {
            Self::Failed(text)
            | Self::Usage(text)
            | Self::Config(text)
            | Self::Unreachable(text)
            | Self::Check(text) => text,
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Config(problems.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
