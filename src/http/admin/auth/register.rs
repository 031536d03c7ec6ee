//! `/auth/register`: users who make themselves (`access.md` §2).

use actix_web::web::Data as State;
use actix_web::{HttpRequest, post};
use actors::domain::id::UserId;
use actors::domain::settings::Registration;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{admit, entry};
use crate::http::admin::AdminState;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Body, ClientInfo};
use crate::identity::password::check_rules;
use crate::onboarding::json::Moment;
use crate::onboarding::user::{check_email, check_username, username_from};
use crate::store::StoreError;
use crate::store::users::{self, AuthSource, Newcomer, PasswordHash, Role, UserConfig};

/// Names that are tried when the one of the address is taken.
const NAMES: u32 = 8;

/// A registration.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Registering {
    /// 3 to 64 characters; absent = made of the address.
    #[serde(default)]
    username: Option<String>,
    /// E-mail address.
    email: String,
    /// 8 to 128 characters.
    #[schema(value_type = String)]
    password: SecretString,
    /// Required unless registration is open.
    #[serde(default)]
    invite_code: Option<String>,
}

/// The new user.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Registered {
    /// The user.
    user_id: i64,
    /// E-mail address.
    email: Option<String>,
    /// User name.
    username: String,
    /// A session, sent as `Authorization: Bearer`.
    token: String,
    /// When it ends.
    expires_at: Moment,
    /// For people.
    message: &'static str,
}

/// Creates one's own user.
#[utoipa::path(tag = "session", request_body = Registering, responses((status = 201, body = Envelope<Registered>)))]
#[post("/auth/register")]
pub async fn register(
    request: HttpRequest,
    state: State<AdminState>,
    body: Body<Registering>,
) -> Result<Data<Registered>, ApiError> {
    sign_up(request, state, body).await
}

/// The same for the paths of predecessors.
pub async fn sign_up(
    request: HttpRequest,
    state: State<AdminState>,
    body: Body<Registering>,
) -> Result<Data<Registered>, ApiError> {
    let (client, body) = (ClientInfo::of(&request), body.0);
    let invite = body.invite_code.as_deref().map(|code| code.trim().to_uppercase()).filter(|code| !code.is_empty());
    match state.engine.settings.current().registration {
        Registration::Closed => return Err(ApiError::new(Reason::RegistrationClosed, "registration is closed")),
        Registration::Invite if invite.is_none() => return Err(no_code()),
        Registration::Invite | Registration::Open => {}
    }
    admit(&state, &client, "register", "register").await?;
    let email = body.email.trim().to_lowercase();
    check_email(&email)?;
    let wanted = body.username.as_deref().map_or_else(|| username_from(&email), ToOwned::to_owned);
    check_username(&wanted)?;
    check_rules(&body.password, &wanted, Some(&email))?;
    let hash = state.passwords.hash(body.password).await?;
    let made = make(&state, &client, Wish { wanted, fixed: body.username.is_some(), email, hash, invite }).await;
    if matches!(&made, Err(error) if error.reason == Reason::InviteCodeInvalid) {
        state.logins.failed(&state, "register", client.ip).await;
    }
    let user = users::get(&state.db, made?).await?.ok_or_else(|| ApiError::not_found("user"))?;
    let (token, claims) = state.tokens.issue(&user)?;
    Ok(Data::created(Registered {
        user_id: user.id.0,
        email: user.config.email,
        username: user.config.username,
        token: token.expose_secret().to_owned(),
        expires_at: Moment(actors::domain::time::Timestamp(claims.exp.saturating_mul(1_000))),
        message: "registered",
    }))
}

fn no_code() -> ApiError {
    ApiError::new(Reason::InviteCodeInvalid, "a valid invite code is required")
}

struct Wish {
    wanted: String,
    fixed: bool,
    email: String,
    hash: PasswordHash,
    invite: Option<String>,
}

/// Stores the user under the first name that is free, unless the name was chosen.
async fn make(state: &AdminState, client: &ClientInfo, wish: Wish) -> Result<UserId, ApiError> {
    let db = state.db.audited(entry(state, client, "user", "register", None));
    let mut name = wish.wanted.clone();
    for _ in 0..NAMES {
        let newcomer = Newcomer {
            config: UserConfig { email: Some(wish.email.clone()), ..UserConfig::new(name.as_str(), Role::User) },
            password: Some(wish.hash.clone()),
            source: AuthSource::Local,
            invite: wish.invite.clone(),
            identity: None,
        };
        match users::admit(&db, newcomer, state.clock.now()).await {
            Err(StoreError::Conflict(what)) if what.contains("email") => {
                return Err(ApiError::new(Reason::EmailTaken, "this e-mail address has a user already"));
            }
            Err(StoreError::Conflict(_)) if wish.fixed => break,
            Err(StoreError::Conflict(_)) => name = format!("{}-{}", wish.wanted, rand::random_range(10..10_000)),
            Err(StoreError::NotFound) => return Err(no_code()),
            other => return Ok(other?),
        }
    }
    Err(ApiError::new(Reason::UsernameTaken, "this user name is taken"))
}
