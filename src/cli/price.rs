//! `price list|import`.

use std::path::PathBuf;
use std::sync::Arc;

use actors::domain::price::{PriceVersion, diff, import};
use serde_json::{Value, json};

use super::database::Local;
use super::exit::Failure;
use super::output::Output;
use crate::config::Need;
use crate::store::prices;

/// Verbs on prices.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// List prices in force, in nano-USD per million tokens
    List,
    /// Import a price file in LiteLLM's format
    Import {
        /// The file
        file: PathBuf,
        /// Show what would change and store nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// Runs a verb.
pub async fn run(verb: &Verb, files: &[PathBuf], out: Output) -> Result<(), Failure> {
    let local = Local::open(files, Need::Nothing).await?;
    match verb {
        Verb::List => {
            let now = local.now();
            let versions = prices::load(&local.db).await?;
            let rows: Vec<Value> = versions.iter().filter(|version| version.in_force(now)).map(shown).collect();
            out.rows(&["id", "service", "pattern", "source", "input", "output", "cache_read"], &rows)
        }
        Verb::Import { file, dry_run } => import_file(&local, file, *dry_run, out).await,
    }
}

fn shown(version: &PriceVersion) -> Value {
    json!({
        "id": version.id, "service": version.service, "pattern": version.pattern, "source": version.source,
        "input": version.base.input, "output": version.base.output, "cache_read": version.base.cache_read,
    })
}

async fn import_file(local: &Local, file: &PathBuf, dry_run: bool, out: Output) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file)?;
    let now = local.now();
    let imported = import::read(&text, now).map_err(|e| Failure::Failed(e.to_string()))?;
    let stored: Vec<Arc<PriceVersion>> = prices::load(&local.db).await?.into_iter().map(Arc::new).collect();
    let diff = diff::diff(&stored, imported.versions, now);
    for reject in &imported.rejects {
        out.say(&format!("refused: {}: {}", reject.model, reject.reason));
    }
    let changed = diff.changed.into_iter().map(|(_, new)| (new, "change"));
    let new: Vec<(PriceVersion, &str)> = diff.added.into_iter().map(|new| (new, "add")).chain(changed).collect();
    let kept = diff.kept_manual.iter().map(|version| (version, "keep manual"));
    let rows: Vec<Value> = new.iter().map(|(version, what)| (version, *what)).chain(kept).map(row).collect();
    out.rows(&["action", "service", "pattern", "input", "output"], &rows)?;
    if dry_run || new.is_empty() {
        out.say(if dry_run { "nothing was stored (dry run)" } else { "nothing changes" });
        return Ok(());
    }
    let versions = new.into_iter().map(|(version, _)| version).collect();
    let ids = prices::publish(&local.audited("prices_imported", "price", None), versions, "cli", "import", now).await?;
    out.say(&format!("{} prices stored", ids.len()));
    Ok(())
}

fn row((version, what): (&PriceVersion, &str)) -> Value {
    let mut row = shown(version);
    if let Some(fields) = row.as_object_mut() {
        fields.insert("action".into(), what.into());
    }
    row
}
