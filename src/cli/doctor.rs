//! `doctor`: looks at everything that the server will need, and says what to do about what is wrong.

use std::path::{Path, PathBuf};
use std::time::Duration;

use actors::domain::time::Timestamp;
use serde::Serialize;

use super::database::Local;
use super::exit::Failure;
use super::output::Output;
use crate::app::directories;
use crate::config::{Config, Need};
use crate::observe::process::max_open_files;
use crate::store::io::IoRuntime;
use crate::store::migrations;

/// Open files below which a busy server runs out.
const FILES_WANTED: i64 = 16_384;
/// The clock cannot be right before this moment: 2025-01-01.
const EARLIEST: Timestamp = Timestamp(1_735_689_600_000);
/// A database that is slower than this will be felt.
const SLOW: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Mark {
    Pass,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    result: Mark,
    hint: String,
}

/// Runs every check. Exit 5 when one fails.
pub async fn run(files: &[PathBuf], out: Output) -> Result<(), Failure> {
    let mut findings = Vec::new();
    match Config::load(files, Need::Secrets) {
        Err(problems) => findings.push(finding("configuration", Mark::Fail, problems.to_string())),
        Ok(config) => {
            let mark = if config.warnings.is_empty() { Mark::Pass } else { Mark::Warn };
            findings.push(finding("configuration", mark, config.warnings.join("; ")));
            findings.push(check_folder("journal", &config.journal.dir));
            findings.push(check_cache(&config));
            findings.extend(check_directory(&config).await);
        }
    }
    check_storage(files, &mut findings).await;
    findings.push(check_clock());
    findings.push(check_open_files());
    out.rows(&["check", "result", "hint"], &findings)?;
    let failed = findings.iter().filter(|finding| finding.result == Mark::Fail).count();
    if failed > 0 { Err(Failure::Check(format!("{failed} checks failed"))) } else { Ok(()) }
}

fn finding(check: &'static str, result: Mark, hint: impl Into<String>) -> Finding {
    Finding { check, result, hint: hint.into() }
}

/// Connects and binds as the service account, when people may log in with a directory.
async fn check_directory(config: &Config) -> Option<Finding> {
    let io = match IoRuntime::start() {
        Ok(io) => io,
        Err(error) => return Some(finding("ldap", Mark::Fail, error.to_string())),
    };
    let directory = match directories::ldap(config, &io) {
        Ok(directory) => directory?,
        Err(error) => return Some(finding("ldap", Mark::Fail, format!("{error}; check ldap.tls"))),
    };
    Some(match directory.probe().await {
        Ok(()) if config.ldap.as_ref().is_some_and(|ldap| !ldap.tls && !ldap.starttls) => {
            finding("ldap", Mark::Warn, "passwords go in the clear; use ldaps:// or ldap.starttls")
        }
        Ok(()) => finding("ldap", Mark::Pass, ""),
        Err(error) => finding("ldap", Mark::Fail, format!("{error}; check ldap.url, ldap.bind_dn and ldap.tls")),
    })
}

async fn check_storage(files: &[PathBuf], findings: &mut Vec<Finding>) {
    let local = match Local::open_as_it_is(files, Need::Nothing).await {
        Ok(local) => local,
        Err(failure) => {
            let hint = format!("{}; check database.url and that the server runs", failure.text());
            return findings.push(finding("database", Mark::Fail, hint));
        }
    };
    let begun = tokio::time::Instant::now();
    findings.push(match local.db.ping().await {
        Ok(()) if begun.elapsed() > SLOW => finding("database", Mark::Warn, "it answers slowly"),
        Ok(()) => finding("database", Mark::Pass, ""),
        Err(error) => finding("database", Mark::Fail, error.to_string()),
    });
    findings.push(match migrations::status(&local.db).await {
        Ok(states) if states.iter().any(|state| state.changed) => {
            finding("migrations", Mark::Fail, "applied migrations differ from this program's; run `migrate verify`")
        }
        Ok(states) if states.iter().any(|state| !state.applied) => {
            finding("migrations", Mark::Warn, "some are missing; run `migrate up`")
        }
        Ok(_) => finding("migrations", Mark::Pass, ""),
        Err(error) => finding("migrations", Mark::Fail, error.to_string()),
    });
    findings.push(check_master_key(&local).await);
}

async fn check_master_key(local: &Local) -> Finding {
    if migrations::status(&local.db).await.is_ok_and(|states| states.iter().all(|state| !state.applied)) {
        return finding("master key", Mark::Pass, "the database is new");
    }
    match local.vault().await {
        Ok(_) => finding("master key", Mark::Pass, ""),
        Err(failure) => {
            let hint = format!("{}; use the key with which this database was made", failure.text());
            finding("master key", Mark::Fail, hint)
        }
    }
}

fn check_cache(config: &Config) -> Finding {
    use secrecy::ExposeSecret;
    let memory = config.cache.url.expose_secret() == "memory:";
    if memory && !config.database.is_sqlite() {
        return finding("cache", Mark::Warn, "memory: with MySQL serves one instance only; set cache.url to redis://…");
    }
    finding("cache", Mark::Pass, "")
}

/// A file can be made and synced there.
fn check_folder(check: &'static str, dir: &Path) -> Finding {
    let probe = dir.join(".doctor");
    let written = std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(&probe, [0_u8; 4_096]))
        .and_then(|()| std::fs::File::open(&probe)?.sync_all());
    let _ = std::fs::remove_file(&probe);
    match written {
        Ok(()) => finding(check, Mark::Pass, ""),
        Err(error) => finding(check, Mark::Fail, format!("{} cannot be written: {error}", dir.display())),
    }
}

fn check_clock() -> Finding {
    let now = actors::clock::Clock::system().now();
    if now < EARLIEST {
        return finding("clock", Mark::Fail, format!("it shows {}; set it, tokens depend on it", now.to_rfc3339()));
    }
    finding("clock", Mark::Pass, "")
}

fn check_open_files() -> Finding {
    match max_open_files() {
        0 => finding("open files", Mark::Warn, "the limit cannot be read"),
        limit if limit < FILES_WANTED => finding(
            "open files",
            Mark::Warn,
            format!("the limit is {limit}; raise it to {FILES_WANTED} for many streams"),
        ),
        _ => finding("open files", Mark::Pass, ""),
    }
}
