//! `POST /oauth/start` and `POST /accounts/{id}/reauthorize`: makes the link, or the codes, that an owner needs.

use actix_web::post;
use actix_web::web::{Data as State, Path};
use actors::domain::account::AccountKind;
use actors::domain::id::AccountId;
use actors::domain::time::{SECOND, Timestamp};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{failed, input_of, way_of};
use crate::http::admin::AdminState;
use crate::http::admin::accounts::{checked, found, must_be_allowed};
use crate::http::admin::authorisations::{Authorisation, DeviceTurn, LIFE};
use crate::http::envelope::{Data, Envelope};
use crate::http::error::ApiError;
use crate::http::extract::{Admin, Body, Session};
use crate::onboarding::json::Moment;
use crate::upstream::oauth::authorize::{Intent, link};
use crate::upstream::oauth::{Class, Failure, Flow, pkce};

/// The scope of a setup token: it can do nothing but ask models.
const SETUP_SCOPE: &str = "user:inference";

/// What is to be authorised. In a device flow the fields of the new account come along (see `POST /accounts`), since it is
/// made when the owner has finished.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct StartBody {
    /// Type of the account.
    provider: AccountKind,
    /// Calls to the vendor leave through this proxy, and later those of the account.
    #[serde(default)]
    proxy_id: Option<i64>,
    /// Redirect of the link, when it is not the configured one.
    #[serde(default)]
    redirect_uri: Option<String>,
    /// Scopes, when they are not the configured ones. Only `user:inference` = a setup token of claude-official.
    #[serde(default)]
    scopes: Option<Vec<String>>,
    /// This account gets the new tokens and keeps everything else.
    #[serde(default)]
    account_id: Option<i64>,
    /// The owner consents anew; needed where no refresh token came without.
    #[serde(default)]
    consent: bool,
    /// Fields of the account.
    #[serde(flatten)]
    account: Map<String, Value>,
}

/// An authorisation that waits for its owner.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Started {
    /// Its id.
    pub session_id: String,
    /// What the owner opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_url: Option<String>,
    /// Comes back with the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Device flow: what the owner types,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_code: Option<String>,
    /// and where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification_uri: Option<String>,
    /// Device flow: seconds between two looks at `GET /oauth/{session_id}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    /// Seconds until it ends.
    pub expires_in: i64,
    /// When it ends.
    pub expires_at: Moment,
}

/// Starts an authorisation. The link, or the codes, work for ten minutes and once.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), request_body = StartBody,
    responses((status = 201, body = Envelope<Started>)))]
#[post("/oauth/start")]
pub async fn start_authorisation(
    session: Session<Admin>,
    state: State<AdminState>,
    body: Body<StartBody>,
) -> Result<Data<Started>, ApiError> {
    start(&session, &state, body.0).await.map(Data::created)
}

/// How an account is authorised again.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Again {
    /// Another proxy for these calls; absent = the account's.
    #[serde(default)]
    proxy_id: Option<i64>,
    /// As in `POST /oauth/start`.
    #[serde(default)]
    redirect_uri: Option<String>,
    /// As in `POST /oauth/start`.
    #[serde(default)]
    scopes: Option<Vec<String>>,
    /// As in `POST /oauth/start`.
    #[serde(default)]
    consent: bool,
}

/// Starts an authorisation that gives an account new tokens; its id, bindings and history stay.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), request_body = Again,
    responses((status = 201, body = Envelope<Started>)))]
#[post("/accounts/{id}/reauthorize")]
pub async fn reauthorise_account(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
    body: Body<Again>,
) -> Result<Data<Started>, ApiError> {
    let (row, again) = (found(&state, AccountId(*id)).await?, body.0);
    let body = StartBody {
        provider: row.config.kind,
        proxy_id: again.proxy_id,
        redirect_uri: again.redirect_uri,
        scopes: again.scopes,
        account_id: Some(*id),
        consent: again.consent,
        account: Map::new(),
    };
    start(&session, &state, body).await.map(Data::created)
}

async fn start(session: &Session<Admin>, state: &AdminState, body: StartBody) -> Result<Started, ApiError> {
    let kind = body.provider;
    if !kind.is_oauth() {
        return Err(ApiError::invalid("provider", "is not authorised by an owner; create the account with its key"));
    }
    must_be_allowed(state, kind)?;
    let party = state.authority.party(kind).map_err(|failure| failed(&failure))?;
    let mut authorisation = Authorisation {
        kind,
        proxy_id: body.proxy_id,
        account_id: body.account_id,
        state: pkce::token(),
        verifier: pkce::verifier(party.manner.verifier).expose_secret().to_owned(),
        redirect_uri: body.redirect_uri.unwrap_or_else(|| party.config.redirect_uri.clone()),
        setup_token: kind == AccountKind::ClaudeOfficial && body.scopes.as_deref() == Some(&[SETUP_SCOPE.to_owned()]),
        device: None,
        draft: body.account,
        ends_at: state.clock.now().plus(LIFE).0,
        end: None,
    };
    if let Some(id) = authorisation.account_id {
        let row = found(state, AccountId(id)).await?;
        if row.config.kind != kind {
            return Err(ApiError::invalid("account_id", "names an account of another type"));
        }
        authorisation.proxy_id = authorisation.proxy_id.or(row.config.proxy.map(|proxy| proxy.0));
    }
    let started = match party.manner.flow {
        Flow::Code => {
            if let Some(field) = authorisation.draft.keys().next() {
                return Err(ApiError::invalid(field, "is given at the exchange of the code"));
            }
            // A proxy that does not exist must not be found out after the owner authorised.
            way_of(state, &authorisation).await?;
            let scopes = body.scopes.as_ref().unwrap_or(&party.config.scopes);
            let (given, verifier) = (authorisation.state.as_str().into(), authorisation.verifier.as_str().into());
            let redirect_uri = authorisation.redirect_uri.as_str();
            check_redirect(redirect_uri)?;
            let intent = Intent { state: &given, verifier: &verifier, redirect_uri, scopes, consent: body.consent };
            let url =
                link(&party, &intent).map_err(|error| failed(&Failure::new(Class::Config, None, error.to_string())))?;
            Started { auth_url: Some(url), state: Some(authorisation.state.clone()), ..Started::empty() }
        }
        Flow::Device => begin_device(state, &mut authorisation).await?,
    };
    let now = state.clock.now();
    let session_id = state.authorisations.begin(&authorisation, now).await?;
    let recorded = json!({ "provider": [null, kind], "proxy_id": [null, authorisation.proxy_id] });
    let entry = session.entry(state, "oauth_started", "account", authorisation.account_id, recorded);
    crate::store::audit::append(&state.db, entry).await?;
    let expires_at = Timestamp(authorisation.ends_at);
    Ok(Started { session_id, expires_in: expires_at.since(now) / SECOND, expires_at: Moment(expires_at), ..started })
}

impl Started {
    const fn empty() -> Self {
        Self {
            session_id: String::new(),
            auth_url: None,
            state: None,
            user_code: None,
            verification_uri: None,
            interval: None,
            expires_in: 0,
            expires_at: Moment(Timestamp(0)),
        }
    }
}

fn check_redirect(uri: &str) -> Result<(), ApiError> {
    let web = uri.starts_with("https://") || uri.starts_with("http://");
    let plain = uri.len() <= 1_000 && uri.bytes().all(|b| b.is_ascii_graphic());
    if web && plain { Ok(()) } else { Err(ApiError::invalid("redirect_uri", "is not an address of a web page")) }
}

async fn begin_device(state: &AdminState, authorisation: &mut Authorisation) -> Result<Started, ApiError> {
    if authorisation.account_id.is_none() {
        // The account is made when nobody looks: its fields must be good now.
        checked(state, input_of(authorisation, authorisation.draft.clone())?).await?;
    }
    let way = way_of(state, authorisation).await?;
    let device = state.authority.begin_device(&way).await.map_err(|failure| failed(&failure))?;
    let now = state.clock.now();
    authorisation.ends_at = authorisation.ends_at.min(now.plus(device.life_ms).0);
    authorisation.device = Some(DeviceTurn {
        device_code: device.device_code.expose_secret().to_owned(),
        interval_ms: device.interval_ms,
    });
    Ok(Started {
        user_code: Some(device.user_code),
        verification_uri: Some(device.verification_uri),
        interval: Some(device.interval_ms / SECOND),
        ..Started::empty()
    })
}
