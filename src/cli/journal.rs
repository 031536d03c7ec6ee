//! `journal status|verify|replay`: the usage journal's files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actors::domain::settings::Settings;
use actors::outbox::Recorded;
use actors::ports::UsageBatch;
use serde_json::{Value, json};

use super::database::Local;
use super::exit::Failure;
use super::output::Output;
use crate::config::{Config, Need};
use crate::journal::{self, FileReport, JournalDir};
use crate::store::{settings, usage};

/// Records of one SQL batch.
const BATCH: usize = 500;

/// Verbs on the journal.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// List the files
    Status,
    /// Read every record and compare checksums
    Verify {
        /// Folder; absent = the configured one
        dir: Option<PathBuf>,
    },
    /// Store what a stopped instance left in a folder; records that are stored already add nothing
    Replay {
        /// Folder
        dir: PathBuf,
    },
}

/// Runs a verb.
pub async fn run(verb: &Verb, files: &[PathBuf], out: Output) -> Result<(), Failure> {
    match verb {
        Verb::Status => {
            let config = Config::load(files, Need::Nothing)?;
            if !config.journal.dir.exists() {
                out.say("there is no journal yet");
                return Ok(());
            }
            show(&journal::verify(&config.journal.dir)?, out)
        }
        Verb::Verify { dir } => {
            let dir = match dir {
                Some(dir) => dir.clone(),
                None => Config::load(files, Need::Nothing)?.journal.dir,
            };
            let reports = journal::verify(&dir)?;
            show(&reports, out)?;
            let damaged = reports.iter().filter(|report| report.damaged_at.is_some()).count();
            if damaged > 0 {
                return Err(Failure::Check(format!("{damaged} journal files are damaged")));
            }
            Ok(())
        }
        Verb::Replay { dir } => replay(files, dir, out).await,
    }
}

fn show(reports: &[FileReport], out: Output) -> Result<(), Failure> {
    let row = |report: &FileReport| {
        json!({
            "file": report.file, "bytes": report.bytes, "records": report.records,
            "torn_at": report.torn_at, "damaged_at": report.damaged_at,
        })
    };
    let rows: Vec<Value> = reports.iter().map(row).collect();
    out.rows(&["file", "bytes", "records", "torn_at", "damaged_at"], &rows)
}

async fn replay(files: &[PathBuf], dir: &Path, out: Output) -> Result<(), Failure> {
    let local = Local::open(files, Need::Nothing).await?;
    let name = std::fs::read_to_string(dir.join("instance"));
    let name = name.map_err(|e| Failure::Failed(format!("{} is no journal folder: {e}", dir.display())))?;
    let name = name.trim();
    let positions = usage::positions(&local.db, name).await?;
    let journal = JournalDir::open(dir, name)?;
    let mut records: Vec<Recorded> = Vec::new();
    let report = journal::replay(&journal, &positions, local.now(), |record| records.push(record))?;
    let (current, _) = settings::load(&local.db, &Settings::default()).await?;
    let (mut inserted, mut duplicates) = (0, 0);
    for chunk in records.chunks(BATCH) {
        let batch = UsageBatch {
            events: chunk.iter().map(|record| record.event.clone()).collect(),
            positions: chunk.iter().map(|record| record.safe.clone()).collect(),
        };
        let receipt = usage::store(&local.db, name, current.timezone, Arc::new(batch), local.now()).await?;
        inserted += receipt.inserted;
        duplicates += receipt.duplicates;
    }
    out.one(&json!({
        "files": report.files, "records": report.records, "settled": report.settled,
        "interrupted": report.interrupted, "stored": inserted, "already_stored": duplicates,
    }))
}
