//! Where settings come from: environment lock over database over file over default; and what follows them outside of the
//! engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actors::domain::settings::Settings;
use actors::ports::{PortError, PortFuture, SettingsStore};
use actors::settings::SettingsHandle;
use serde_json::Value;

use crate::config::{Config, SettingLayers};
use crate::store::ports::SqlSettings;
use crate::transport::EgressRules;

/// How soon the outside follows a changed setting.
const FOLLOW: Duration = Duration::from_millis(500);

/// Settings of the database between those of the file and those that the environment locks.
#[derive(Clone)]
pub struct LayeredSettings {
    stored: SqlSettings,
    locked: Arc<BTreeMap<String, Value>>,
}

impl LayeredSettings {
    /// Layers over this database.
    pub fn new(db: crate::store::Db, layers: &SettingLayers) -> Self {
        let base = Arc::new(over(Settings::default(), &layers.base));
        Self { stored: SqlSettings { db, base }, locked: Arc::new(layers.locked.clone()) }
    }
}

impl SettingsStore for LayeredSettings {
    fn load(&self) -> PortFuture<Result<(Settings, i64), PortError>> {
        let (stored, locked) = (self.stored.load(), Arc::clone(&self.locked));
        Box::pin(async move { stored.await.map(|(settings, version)| (over(settings, &locked), version)) })
    }
}

/// The settings in force, for a command that runs without the engine.
///
/// # Errors
/// When the database cannot be read.
pub async fn in_force(config: &Config, db: &crate::store::Db) -> Result<Settings, crate::store::StoreError> {
    let layers = &config.settings;
    let (stored, _) = crate::store::settings::load(db, &over(Settings::default(), &layers.base)).await?;
    Ok(over(stored, &layers.locked))
}

/// The egress rules of these settings, for a command that runs without the engine.
///
/// # Errors
/// When the file with certificate authorities cannot be read.
pub fn egress_rules(config: &Config, settings: &Settings) -> Result<Arc<EgressRules>, super::StartError> {
    let rules = super::egress_rules(config)?;
    apply_network(settings, &rules);
    Ok(rules)
}

/// Values were checked when the configuration was read; one that is refused now is left as it was.
fn over(mut settings: Settings, values: &BTreeMap<String, Value>) -> Settings {
    for (key, value) in values {
        if let Err(error) = settings.set(key, value) {
            tracing::warn!(setting = key.as_str(), %error, "setting was not applied");
        }
    }
    settings
}

/// Applies the network settings to the egress rules, now and after each change.
pub async fn follow_network(settings: SettingsHandle, rules: Arc<EgressRules>) {
    let mut seen: Option<Arc<Settings>> = None;
    loop {
        let current = settings.current();
        if !seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &current)) {
            apply_network(&current, &rules);
            seen = Some(current);
        }
        tokio::time::sleep(FOLLOW).await;
    }
}

/// Applies the network settings once.
pub fn apply_network(settings: &Settings, rules: &EgressRules) {
    if let Err(error) = rules.replace(&settings.allow_private_cidrs, &settings.allow_http_hosts) {
        tracing::warn!(%error, "network rules were not applied");
    }
}
