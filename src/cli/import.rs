//! `import claude-relay-service|go-aiproxy FILE`.

use std::path::PathBuf;

use actors::domain::time::Timestamp;
use serde_json::{Value, json};

use super::admin::first_owner;
use super::database::Local;
use super::exit::Failure;
use super::output::Output;
use crate::config::Need;
use crate::onboarding::key_import::{Import, ImportOptions, KeySource};
use crate::store::users;

/// Where keys come from.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Keys of an export file of claude-relay-service
    #[command(alias = "crs")]
    ClaudeRelayService(Options),
    /// Rows of go-aiproxy's table of keys, as a JSON list
    GoAiproxy(Options),
}

/// What holds for every source.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The file
    file: PathBuf,
    /// Owner of the keys: user name or e-mail address; absent = the first super_admin
    #[arg(long)]
    user: Option<String>,
    /// Write; without it the report says what would happen
    #[arg(long)]
    apply: bool,
    /// Set keys that were imported before anew
    #[arg(long)]
    overwrite: bool,
    /// An account there and its id here, as THERE=HERE; may be given several times
    #[arg(long = "account", value_name = "THERE=HERE")]
    accounts: Vec<String>,
    /// A group there and its id here, as THERE=HERE; may be given several times
    #[arg(long = "group", value_name = "THERE=HERE")]
    groups: Vec<String>,
    /// Take keys over without bindings that name nothing here
    #[arg(long)]
    drop_bindings: bool,
}

/// Runs an import.
pub async fn run(verb: &Verb, files: &[PathBuf], out: Output) -> Result<(), Failure> {
    let (source, options) = match verb {
        Verb::ClaudeRelayService(options) => (KeySource::ClaudeRelayService, options),
        Verb::GoAiproxy(options) => (KeySource::GoAiproxy, options),
    };
    let local = Local::open(files, Need::Nothing).await?;
    if source == KeySource::ClaudeRelayService && local.config.security.crs_encryption_key.is_none() {
        let text = "migration.crs_encryption_key is not set: imported keys would never be found";
        return Err(Failure::Config(text.to_owned()));
    }
    let owner = match &options.user {
        None => first_owner(&local).await?,
        Some(login) => {
            let found = users::find_login(&local.db, login).await?;
            found.ok_or_else(|| Failure::Failed(format!("no user \"{login}\"")))?.id
        }
    };
    let content: Value = serde_json::from_slice(&std::fs::read(&options.file)?)
        .map_err(|error| Failure::Usage(format!("{}: {error}", options.file.display())))?;
    let names = ImportOptions {
        user_id: Some(owner),
        accounts: pairs(&options.accounts)?,
        groups: pairs(&options.groups)?,
        drop_bindings: options.drop_bindings,
    };
    let import = Import::read(source, &content, &names).map_err(|fault| Failure::Usage(fault.to_string()))?;
    let audited = |action: &str, _: &str| local.audited(action, "api_key", None);
    let now: Timestamp = local.now();
    let report = import.run(&local.db, owner, !options.apply, options.overwrite, audited, now).await?;
    let row = |row: &crate::onboarding::key_import::RowResult| {
        json!({
            "source_id": row.source_id, "name": row.name, "outcome": row.outcome, "key_id": row.key_id,
            "reason": row.reason.iter().chain(&row.notes).cloned().collect::<Vec<_>>().join("; "),
        })
    };
    let rows: Vec<Value> = report.results.iter().map(row).collect();
    out.rows(&["source_id", "name", "outcome", "key_id", "reason"], &rows)?;
    let done = if options.apply { "" } else { "dry run, nothing written: " };
    out.say(&format!(
        "{done}{} created, {} updated, {} skipped, {} failed",
        report.created, report.updated, report.skipped, report.failed
    ));
    Ok(())
}

fn pairs(texts: &[String]) -> Result<std::collections::BTreeMap<String, i64>, Failure> {
    let pair = |text: &String| {
        let (there, here) = text.rsplit_once('=')?;
        Some((there.to_owned(), here.parse::<i64>().ok().filter(|id| *id > 0)?))
    };
    texts.iter().map(|text| pair(text).ok_or_else(|| Failure::Usage(format!("not THERE=HERE: {text}")))).collect()
}
