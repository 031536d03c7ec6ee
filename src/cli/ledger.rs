//! `ledger verify`: the book checks itself.

use std::path::PathBuf;

use super::database::Local;
use super::exit::Failure;
use super::output::Output;
use crate::config::Need;
use crate::store::ledger;

/// Verbs on the ledger.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Check every sum and balance of the book; exit code 5 when something does not add up
    Verify,
}

/// Runs a verb.
pub async fn run(verb: &Verb, files: &[PathBuf], out: Output) -> Result<(), Failure> {
    let Verb::Verify = verb;
    let local = Local::open(files, Need::Nothing).await?;
    let found = ledger::verify(&local.db).await?;
    out.say(&format!("{} transactions with {} entries", found.txns, found.entries));
    if found.discrepancies.is_empty() {
        out.say("everything adds up");
        return Ok(());
    }
    out.rows(&["rule", "place", "difference"], &found.discrepancies)?;
    Err(Failure::Check(format!("{} discrepancies", found.discrepancies.len())))
}
