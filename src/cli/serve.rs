//! `serve`: the production server.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::exit::Failure;
use crate::app::signals::StopSignals;
use crate::app::{Application, StartError};
use crate::config::{Config, LogFormat, Need};
use crate::observe::log::{self, LogGuard, LogOptions};

/// Serves until a stop signal.
pub fn run(files: &[PathBuf], listen: Option<SocketAddr>) -> Result<(), Failure> {
    let mut config = Config::load(files, Need::Secrets)?;
    config.server.listen = listen.unwrap_or(config.server.listen);
    let _logs = start_logs(&config)?;
    super::on_actix(async move {
        let mut signals = StopSignals::listen()?;
        let application = Application::build(config).await?;
        tracing::info!(listen = %application.addr, "serving");
        if let Some(token) = application.setup_token().await? {
            tracing::warn!("no administrator yet: open /setup, or POST /api/v1/setup, with the token printed below");
            super::output::Output { form: super::output::Form::Table, quiet: false }
                .say(&format!("setup token (valid once): {token}"));
        }
        signals.next().await;
        application.stop(signals.next()).await;
        Ok(())
    })
}

/// Starts logging as configured, and the access log.
pub fn start_logs(config: &Config) -> Result<LogGuard, Failure> {
    let options = LogOptions {
        filter: config.log.filter.clone(),
        json: match config.log.format {
            LogFormat::Auto => None,
            LogFormat::Json => Some(true),
            LogFormat::Text => Some(false),
        },
        file: config.log.file.clone(),
    };
    let guard = log::start(&options).map_err(|e| Failure::Config(e.to_string()))?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    Ok(guard)
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::NoMasterKey | StartError::Secrets(_) | StartError::Network(_) => {
                Self::Config(error.to_string())
            }
            StartError::Unreachable(..) => Self::Unreachable(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Self {
        if error.is_transient() { Self::Unreachable(error.to_string()) } else { Self::Failed(error.to_string()) }
    }
}
