//! Opens what is kept outside of memory: database, secrets, journal; and reads what an earlier process left.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actors::clock::Clock;
use actors::outbox::Recorded;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::StartError;
use crate::cache::Cache;
use crate::config::Config;
use crate::identity::seal::Sealer;
use crate::journal::{self, JournalDir, JournalOptions, ReplayReport};
use crate::store::instances::{self, Claim};
use crate::store::io::IoRuntime;
use crate::store::{Db, StoreError, migrations, usage};

/// Pause between tries of a dependency that is down.
const RETRY: Duration = Duration::from_millis(500);

/// What storage the process runs on.
pub struct Storage {
    /// Runs every SQL and Redis call.
    pub io: IoRuntime,
    /// Database.
    pub db: Db,
    /// Counters and limits that instances share.
    pub cache: Cache,
    /// Seals credentials.
    pub sealer: Arc<Sealer>,
    /// Name of this instance; the same after a restart.
    pub instance: Arc<str>,
    /// Journal.
    pub journal: JournalDir,
    /// The right to be the only embedded instance.
    pub claim: Option<Claim>,
}

impl Storage {
    /// Opens everything.
    ///
    /// # Errors
    /// A dependency that stays down, a database of another master key, another live instance.
    pub async fn open(config: &Config, clock: &Clock) -> Result<Self, StartError> {
        let io = IoRuntime::start()?;
        let db = open_database(config, &io).await?;
        if config.database.auto_migrate {
            migrations::up(&db).await?;
        }
        let cache = Cache::open(io.handle(), config.cache.url.expose_secret(), clock.clone())
            .map_err(|e| StartError::Unreachable("cache", e.to_string()))?;
        let key = config.security.master_key.as_ref().ok_or(StartError::NoMasterKey)?;
        let sealer = Sealer::new(key).map_err(|e| StartError::Secrets(e.to_string()))?;
        sealer.check(&db).await.map_err(|e| StartError::Secrets(e.to_string()))?;
        std::fs::create_dir_all(&config.journal.dir)?;
        let instance = instance_name(&config.journal.dir, clock)?;
        let claim = match is_embedded(config) {
            true => Some(instances::claim(&db, &instance, clock.now()).await?),
            false => None,
        };
        let fsync_ms = u64::try_from(config.journal.fsync.as_millis()).unwrap_or(100);
        let options = JournalOptions { fsync_ms, ..JournalOptions::default() };
        let journal = JournalDir::open_with(&config.journal.dir, &instance, options)?;
        Ok(Self { io, db, cache, sealer: Arc::new(sealer), instance, journal, claim })
    }

    /// Reads what an earlier process journalled and SQL does not have.
    ///
    /// # Errors
    /// When the positions or the files cannot be read.
    pub async fn replay(&self, clock: &Clock) -> Result<(Vec<Recorded>, ReplayReport), StartError> {
        let positions = usage::positions(&self.db, &self.instance).await?;
        let (journal, now) = (self.journal.clone(), clock.now());
        let read = move || {
            let mut records = Vec::new();
            journal::replay(&journal, &positions, now, |record| records.push(record)).map(|report| (records, report))
        };
        Ok(tokio::task::spawn_blocking(read).await.map_err(std::io::Error::other)??)
    }
}

/// Embedded mode: state that several instances would have to share is in this process's memory.
pub fn is_embedded(config: &Config) -> bool {
    config.cache.url.expose_secret().starts_with("memory:")
}

async fn open_database(config: &Config, io: &IoRuntime) -> Result<Db, StartError> {
    let url = config.database.url.expose_secret();
    if let Some(parent) = url.strip_prefix("sqlite://").and_then(|path| Path::new(path).parent()) {
        std::fs::create_dir_all(parent)?;
    }
    let give_up = Instant::now() + config.startup_wait;
    loop {
        let failed: StoreError = match Db::open(io, url).await {
            Ok(db) => match db.ping().await {
                Ok(()) => return Ok(db),
                Err(error) => error,
            },
            Err(error) => error,
        };
        if Instant::now() >= give_up || !failed.is_transient() {
            return Err(StartError::Unreachable("database", failed.to_string()));
        }
        tracing::warn!(error = %failed, "database is not there yet");
        tokio::time::sleep(RETRY).await;
    }
}

/// The name that the journal folder keeps; made at first start.
fn instance_name(dir: &Path, clock: &Clock) -> std::io::Result<Arc<str>> {
    let path = dir.join("instance");
    match std::fs::read_to_string(&path) {
        Ok(name) if !name.trim().is_empty() => return Ok(Arc::from(name.trim())),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let ms = u64::try_from(clock.now().0).unwrap_or_default();
    let name = ulid::Ulid::from_parts(ms, rand::random()).to_string();
    std::fs::write(&path, &name)?;
    Ok(Arc::from(name))
}
