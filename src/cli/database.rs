//! What local verbs work on: the database and, where secrets are needed, the master key. No server is started.

use std::path::PathBuf;
use std::sync::Arc;

use actors::clock::Clock;
use actors::domain::time::Timestamp;
use secrecy::ExposeSecret;

use super::exit::Failure;
use crate::config::{Config, Need};
use crate::identity::keyring::{Keyring, Schemes};
use crate::identity::pepper;
use crate::identity::seal::Sealer;
use crate::store::audit::AuditEntry;
use crate::store::io::IoRuntime;
use crate::store::vault::Vault;
use crate::store::{Db, migrations};

/// An opened database.
pub struct Local {
    /// Configuration.
    pub config: Config,
    /// Runs SQL.
    pub io: IoRuntime,
    /// Database.
    pub db: Db,
    /// Time.
    pub clock: Clock,
}

impl Local {
    /// Opens the configured database. Migrates where the server would.
    pub async fn open(files: &[PathBuf], need: Need) -> Result<Self, Failure> {
        let local = Self::open_as_it_is(files, need).await?;
        if local.config.database.auto_migrate {
            migrations::up(&local.db).await?;
        }
        Ok(local)
    }

    /// Opens the configured database and changes nothing.
    pub async fn open_as_it_is(files: &[PathBuf], need: Need) -> Result<Self, Failure> {
        let config = Config::load(files, need)?;
        let io = IoRuntime::start()?;
        let url = config.database.url.expose_secret();
        let folder = url.strip_prefix("sqlite://").and_then(|path| std::path::Path::new(path).parent());
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder)?;
        }
        let db = Db::open(&io, url).await?;
        Ok(Self { config, io, db, clock: Clock::system() })
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A handle whose writes are audited as done at this machine's command line.
    pub fn audited(&self, action: &str, kind: &str, id: Option<i64>) -> Db {
        self.db.audited(AuditEntry {
            target_type: Some(kind.to_owned()),
            target_id: id.map(|id| id.to_string()),
            user_agent: Some("quotalane command line".to_owned()),
            ..AuditEntry::system(self.now(), action)
        })
    }

    /// The master keys, checked against the database.
    pub async fn sealer(&self) -> Result<Arc<Sealer>, Failure> {
        let key = self.config.security.master_key.as_ref();
        let key = key.ok_or_else(|| Failure::Config("security.master_key is not set".to_owned()))?;
        let sealer = Sealer::new(key).map_err(|e| Failure::Config(e.to_string()))?;
        sealer.check(&self.db).await.map_err(|e| Failure::Config(e.to_string()))?;
        Ok(Arc::new(sealer))
    }

    /// The same, to seal and open with.
    pub async fn vault(&self) -> Result<Arc<dyn Vault>, Failure> {
        Ok(self.sealer().await?)
    }

    /// The keyring, for digests of new keys.
    pub async fn keyring(&self) -> Result<Keyring, Failure> {
        let vault = self.vault().await?;
        let security = &self.config.security;
        let peppers = pepper::load(&self.db, vault.as_ref(), security.key_pepper.as_ref()).await?;
        let schemes = Schemes { peppers, crs: security.crs_encryption_key.clone(), sha256: true };
        Ok(Keyring::new(self.db.clone(), schemes, self.clock.clone())?)
    }
}
