//! `migrate up|status|verify`.

use std::path::PathBuf;

use serde_json::json;

use super::database::Local;
use super::exit::Failure;
use super::output::Output;
use crate::config::Need;
use crate::store::migrations;

/// Verbs on the schema.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Apply what is missing
    Up,
    /// List migrations and whether they are applied
    Status,
    /// Compare what is applied with this program
    Verify,
}

/// Runs a verb.
pub async fn run(verb: &Verb, files: &[PathBuf], out: Output) -> Result<(), Failure> {
    let local = Local::open_as_it_is(files, Need::Nothing).await?;
    match verb {
        Verb::Up => {
            migrations::up(&local.db).await?;
            out.say("the schema is up to date");
            Ok(())
        }
        Verb::Status => {
            let states = migrations::status(&local.db).await?;
            let rows: Vec<_> = states
                .iter()
                .map(|state| json!({ "version": state.version, "name": state.name, "applied": state.applied }))
                .collect();
            out.rows(&["version", "name", "applied"], &rows)
        }
        Verb::Verify => {
            migrations::verify(&local.db).await.map_err(|e| Failure::Check(e.to_string()))?;
            out.say("the schema is what this program expects");
            Ok(())
        }
    }
}
