//! `config check` and `config print`.

use std::path::PathBuf;

use super::exit::Failure;
use super::output::Output;
use crate::config::{Config, Need};

/// Verbs on the configuration.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Validate everything and name every problem at once
    Check,
    /// Show every value with its source; secrets are masked
    Print,
}

/// Runs a verb.
pub fn run(verb: &Verb, files: &[PathBuf], out: Output) -> Result<(), Failure> {
    match verb {
        Verb::Check => {
            let config = Config::load(files, Need::Secrets)?;
            for warning in &config.warnings {
                out.say(&format!("warning: {warning}"));
            }
            out.say("configuration is valid");
            Ok(())
        }
        Verb::Print => {
            let config = Config::load(files, Need::Nothing)?;
            out.rows(&["key", "value", "source", "place"], &config.entries)
        }
    }
}
