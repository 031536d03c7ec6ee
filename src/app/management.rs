//! Builds what the management API works with.

use std::sync::Arc;

use actix_web::web::Data;
use actors::ports::{PortError, PortFuture};

use super::publish::Publisher;
use super::{Parts, StartError, directories, storage};
use crate::config::Config;
use crate::http::admin::auth::owner_config;
use crate::http::admin::authorisations::Authorisations;
use crate::http::admin::logins::Logins;
use crate::http::admin::sessions::Sessions;
use crate::http::admin::{AdminParts, AdminState, Publish};
use crate::http::extract::TrustedProxies;
use crate::identity::password::{Passwords, check_rules};
use crate::identity::setup;
use crate::identity::throttle::Throttle;
use crate::identity::token::Tokens;
use crate::observe::Metrics;
use crate::observe::lifecycle::Lifecycle;
use crate::onboarding::oauth::Authority;
use crate::onboarding::user::check_username;
use crate::store::audit::AuditEntry;
use crate::store::users;

impl Publish for Publisher {
    fn prices(&self) -> PortFuture<Result<(), PortError>> {
        let this = self.clone();
        Box::pin(async move { Ok(this.publish_prices().await?) })
    }

    fn clients(&self) -> PortFuture<Result<(), PortError>> {
        let this = self.clone();
        Box::pin(async move { Ok(this.publish_clients().await?) })
    }

    fn proxies(&self) -> PortFuture<Result<(), PortError>> {
        let this = self.clone();
        Box::pin(async move { Ok(this.publish_proxies().await?) })
    }
}

/// The state of the management API.
///
/// # Errors
/// When the session secret cannot be used.
pub fn state(
    config: &Config,
    parts: &Parts,
    metrics: &Arc<Metrics>,
    lifecycle: &Lifecycle,
) -> Result<Data<AdminState>, StartError> {
    let secrets = |error: &dyn std::fmt::Display| StartError::Secrets(error.to_string());
    let jwt = config.security.jwt_secret.as_ref();
    let jwt = jwt.ok_or_else(|| StartError::Secrets("security.jwt_secret is not set".to_owned()))?;
    let lifetime = config.security.jwt_expires;
    let lifetime_s = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    let tokens = Tokens::new(jwt, lifetime_s, parts.engine.clock.clone()).map_err(|error| secrets(&error))?;
    Ok(Data::new(AdminState::new(AdminParts {
        db: parts.storage.db.clone(),
        vault: parts.storage.sealer.clone(),
        reseal: parts.reseal.clone(),
        engine: parts.engine.clone(),
        keyring: parts.keyring.clone(),
        tokens,
        passwords: Passwords::new(&parts.storage.io),
        logins: Logins::new(Throttle::new(parts.storage.cache.clone(), parts.engine.clock.clone())),
        sessions: Sessions::new(parts.storage.cache.clone()),
        cache: parts.storage.cache.clone(),
        directory: directories::ldap(config, &parts.storage.io)?,
        openid: directories::oidc(config, parts),
        vendor: Arc::new(parts.vendor.clone()),
        authority: Authority {
            egress: parts.vendor.egress.clone(),
            book: Arc::clone(&parts.vendor.oauth),
            clock: parts.engine.clock.clone(),
        },
        authorisations: Authorisations::new(parts.storage.cache.clone(), parts.storage.sealer.clone()),
        egress: parts.vendor.egress.clone(),
        rules: Arc::clone(&parts.rules),
        prices: Arc::clone(&parts.publisher.prices),
        publish: Arc::new(parts.publisher.clone()),
        setting_layers: config.settings.clone(),
        journal: parts.storage.journal.clone(),
        lifecycle: lifecycle.clone(),
        metrics: Arc::clone(metrics),
        instance: Arc::clone(&parts.storage.instance),
        mode: if storage::is_embedded(config) { "embedded" } else { "fleet" },
    })))
}

/// Creates the administrator that the configuration names, while there is none (`access.md` §1).
///
/// # Errors
/// When the name or password breaks a rule, or the database fails.
pub async fn first_administrator(config: &Config, parts: &Parts) -> Result<(), StartError> {
    let Some((username, password)) = &config.admin else { return Ok(()) };
    let db = &parts.storage.db;
    if !setup::pending(db).await? {
        return Ok(());
    }
    let refused = |error: &dyn std::fmt::Display| StartError::Secrets(format!("admin: {error}"));
    check_username(username).map_err(|error| refused(&error))?;
    check_rules(password, username, None).map_err(|error| refused(&format!("the password {error}")))?;
    let hash = Passwords::new(&parts.storage.io).hash(password.clone()).await.map_err(|error| refused(&error))?;
    let now = parts.engine.clock.now();
    let db =
        db.audited(AuditEntry { target_type: Some("user".to_owned()), ..AuditEntry::system(now, "setup_completed") });
    users::create(&db, owner_config(username.clone(), None), Some(hash), now).await?;
    Ok(setup::forget(&db).await?)
}

/// Networks whose `X-Forwarded-For` is believed.
///
/// # Errors
/// When one is no network.
pub fn trusted_proxies(config: &Config) -> Result<Data<TrustedProxies>, StartError> {
    let parsed = TrustedProxies::parse(&config.server.trusted_proxies);
    parsed.map(Data::new).map_err(|text| StartError::Network(format!("server.trusted_proxies: {text}")))
}
