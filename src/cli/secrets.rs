//! `secrets generate|reencrypt`: fresh secrets, and the change of the master key.

use std::path::PathBuf;

use rand::RngExt;
use serde_json::json;

use super::database::Local;
use super::exit::Failure;
use super::output::Output;
use crate::config::Need;
use crate::identity::reseal::Reseal;
use crate::store::audit::AuditEntry;
use crate::store::sealed;

/// Verbs on secrets.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Print a new master key and session secret
    Generate,
    /// Seal every stored secret with the first master key; servers may run meanwhile
    #[command(visible_alias = "rotate")]
    Reencrypt {
        /// Count only
        #[arg(long)]
        dry_run: bool,
    },
}

/// Runs a verb.
pub fn run(verb: &Verb, files: &[PathBuf], out: Output) -> Result<(), Failure> {
    match verb {
        Verb::Generate => {
            out.line(&format!("QUOTALANE_SECURITY__MASTER_KEY={}", random_hex()))?;
            out.line(&format!("QUOTALANE_SECURITY__JWT_SECRET={}", random_hex()))
        }
        Verb::Reencrypt { dry_run } => super::on_actix(reencrypt(*dry_run, files, out)),
    }
}

/// 32 random bytes as hex.
pub fn random_hex() -> String {
    hex::encode(rand::rng().random::<[u8; 32]>())
}

async fn reencrypt(dry_run: bool, files: &[PathBuf], out: Output) -> Result<(), Failure> {
    let local = Local::open(files, Need::Nothing).await?;
    let sealer = local.sealer().await?;
    if !dry_run {
        let reseal = Reseal::new(local.db.clone(), sealer.clone(), local.clock.clone());
        let entry = AuditEntry {
            target_type: Some("master_key".to_owned()),
            user_agent: Some("quotalane command line".to_owned()),
            ..AuditEntry::system(local.now(), "reencrypt_started")
        };
        let done = reseal.run(entry).await?;
        out.say(&format!("{} secrets were sealed anew", done.resealed));
        if done.failed > 0 {
            return Err(Failure::Check(format!("{} secrets do not open; the log names their rows", done.failed)));
        }
    }
    let uses = sealed::keys_in_use(&local.db).await?;
    let first = sealer.key_ids().next().unwrap_or_default();
    let rows: Vec<_> =
        uses.iter().map(|(key, values)| json!({ "key": key, "seals": key == first, "values": values })).collect();
    out.rows(&["key", "seals", "values"], &rows)
}
