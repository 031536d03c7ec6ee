//! `admin create|setup-url|reset-password|disable-2fa`: recovery at the machine itself. Passwords come from a file or standard input.

use std::io::Read;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::database::Local;
use super::exit::Failure;
use super::output::Output;
use crate::config::Need;
use crate::http::admin::auth::owner_config;
use crate::identity::password::{Passwords, check_rules};
use crate::identity::setup;
use crate::onboarding::user::{check_email, check_username};
use crate::store::second_factors;
use crate::store::users::{self, AuthSource, PasswordHash, Role, UserFilter, UserRow, UserStatus};

/// Verbs on administrators.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Create a super_admin; the password is read from standard input or a file
    Create {
        /// User name
        #[arg(long)]
        username: String,
        /// E-mail address
        #[arg(long)]
        email: Option<String>,
        /// File with the password instead of standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Make a new one-time setup token; only while there is no super_admin
    SetupUrl,
    /// Set a user's password and end the user's sessions
    ResetPassword {
        /// User name or e-mail address
        user: String,
        /// File with the password instead of standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Turn a user's second factor off and end the user's sessions
    #[command(name = "disable-2fa")]
    DisableSecondFactor {
        /// User name or e-mail address
        user: String,
    },
}

/// Runs a verb.
pub async fn run(verb: &Verb, files: &[PathBuf], out: Output) -> Result<(), Failure> {
    let local = Local::open(files, Need::Nothing).await?;
    match verb {
        Verb::Create { username, email, password_file } => {
            create(&local, username, email.as_deref(), password_file.as_ref(), out).await
        }
        Verb::SetupUrl => setup_url(&local, out).await,
        Verb::ResetPassword { user, password_file } => reset(&local, user, password_file.as_ref(), out).await,
        Verb::DisableSecondFactor { user } => disable_second_factor(&local, user, out).await,
    }
}

async fn create(
    local: &Local,
    username: &str,
    email: Option<&str>,
    file: Option<&PathBuf>,
    out: Output,
) -> Result<(), Failure> {
    let invalid = |error: crate::onboarding::Invalid| Failure::Usage(error.to_string());
    check_username(username).map_err(invalid)?;
    email.map_or(Ok(()), check_email).map_err(invalid)?;
    let hash = hashed(local, file, username, email).await?;
    let config = owner_config(username.to_owned(), email.map(str::to_owned));
    let id = users::create(&local.audited("admin_created", "user", None), config, Some(hash), local.now()).await?;
    setup::forget(&local.db).await?;
    out.one(&json!({ "id": id, "username": username }))
}

async fn hashed(
    local: &Local,
    file: Option<&PathBuf>,
    username: &str,
    email: Option<&str>,
) -> Result<PasswordHash, Failure> {
    let password = read_password(file)?;
    check_rules(&password, username, email).map_err(|e| Failure::Usage(format!("the password {e}")))?;
    Passwords::new(&local.io).hash(password).await.map_err(|e| Failure::Failed(e.to_string()))
}

fn read_password(file: Option<&PathBuf>) -> Result<SecretString, Failure> {
    let mut text = String::new();
    match file {
        Some(file) => text = std::fs::read_to_string(file)?,
        None => {
            std::io::stdin().read_to_string(&mut text)?;
        }
    }
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

async fn setup_url(local: &Local, out: Output) -> Result<(), Failure> {
    if !setup::pending(&local.db).await? {
        return Err(Failure::Failed("there already is a super_admin; use `admin reset-password`".to_owned()));
    }
    let token = setup::issue(&local.db).await?;
    let address = local.config.server.public_url.clone();
    let address = address.unwrap_or_else(|| format!("http://{}", local.config.server.listen));
    out.line(&format!("{address}/setup?token={}", token.expose_secret()))
}

async fn named(local: &Local, login: &str) -> Result<UserRow, Failure> {
    let user = users::find_login(&local.db, login).await?;
    user.ok_or_else(|| Failure::Failed(format!("no user \"{login}\"")))
}

async fn disable_second_factor(local: &Local, login: &str, out: Output) -> Result<(), Failure> {
    let user = named(local, login).await?;
    if user.second_factor_at.is_none() {
        return Err(Failure::Failed(format!("{} has no second factor", user.config.username)));
    }
    let db = local.audited("2fa_disabled", "user", Some(user.id.0));
    second_factors::remove(&db, user.id, local.now()).await?;
    out.say(&format!("the second factor of {} is off; the user's sessions have ended", user.config.username));
    Ok(())
}

async fn reset(local: &Local, login: &str, file: Option<&PathBuf>, out: Output) -> Result<(), Failure> {
    let user = named(local, login).await?;
    if user.auth_source != AuthSource::Local {
        return Err(Failure::Failed(format!("the password of {} is kept elsewhere", user.config.username)));
    }
    let hash = hashed(local, file, &user.config.username, user.config.email.as_deref()).await?;
    let db = local.audited("password_changed", "user", Some(user.id.0));
    users::set_password(&db, user.id, hash, false, local.now()).await?;
    out.say(&format!("the password of {} is changed; the user's sessions have ended", user.config.username));
    Ok(())
}

/// The id of the first active super_admin, who owns what the command line creates.
pub async fn first_owner(local: &Local) -> Result<actors::domain::id::UserId, Failure> {
    let filter = UserFilter { role: Some(Role::SuperAdmin), status: Some(UserStatus::Active), text: None };
    let (rows, _) = users::list(&local.db, &filter, crate::store::Page { offset: 0, limit: 1 }).await?;
    let owner = rows.first().map(|row| row.id);
    owner.ok_or_else(|| Failure::Failed("there is no super_admin yet; use `admin create`".to_owned()))
}
