//! `/auth/oidc/{start,callback}`: login at an OpenID provider.
//!
//! What a login began with is kept sealed in the cache under its state, and taken away by the first who comes back with it.
//! A cookie ties it to the browser that began, so that nobody can be made to finish somebody else's login.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::LOCATION;
use actix_web::web::Data as State;
use actix_web::{HttpRequest, HttpResponse, Responder, get, post};
use actors::domain::id::UserId;
use actors::domain::time::MINUTE;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{FirstFactor, SessionView, admit, entry, failed, open};
use crate::http::admin::AdminState;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Body, ClientInfo, Params};
use crate::onboarding::arrival::{Vouched, arrive};
use crate::onboarding::oidc::{LoginError, Provider};
use crate::store::audit::AuditEntry;
use crate::store::vault::Place;
use crate::upstream::oauth::pkce;

/// Life of a login.
const LIFE_MS: i64 = 10 * MINUTE;
const COOKIE: &str = "quotalane_oidc";
const COOKIE_PATH: &str = "/api/v1/auth/oidc";

/// What a login began with.
#[derive(Serialize, Deserialize)]
struct Pending {
    nonce: String,
    verifier: String,
    browser: String,
}

/// Where the person goes.
#[derive(Serialize, utoipa::ToSchema)]
pub struct StartView {
    /// The provider's login page.
    auth_url: String,
    /// Comes back with the code.
    state: String,
    /// Seconds until the login has to begin again.
    expires_in: i64,
}

/// How the answer is wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StartQuery {
    /// Redirect to the provider at once.
    #[serde(default)]
    redirect: bool,
}

fn provider(state: &AdminState) -> Result<&Provider, ApiError> {
    state.openid.as_deref().ok_or_else(|| ApiError::not_found("OpenID provider"))
}

fn place(state: &str) -> Place<'_> {
    Place { table: "oidc_login", column: state, row: 0 }
}

fn cache_name(state: &str) -> String {
    format!("oidc:login:{state}")
}

/// Begins a login at the provider.
#[utoipa::path(tag = "session", params(StartQuery), responses((status = 200, body = Envelope<StartView>),
    (status = 302, description = "to the provider, when `redirect` is set")))]
#[get("/auth/oidc/start")]
pub async fn start_oidc(
    request: HttpRequest,
    state: State<AdminState>,
    query: Params<StartQuery>,
) -> Result<HttpResponse, ApiError> {
    let provider = provider(&state)?;
    admit(&state, &ClientInfo::of(&request), "oidc", "oidc").await?;
    let (name, browser) = (pkce::token(), pkce::token());
    let begun = provider.begin(&name).await.map_err(refusal)?;
    let verifier = begun.verifier.expose_secret().to_owned();
    let pending = Pending { nonce: begun.nonce, verifier, browser: browser.clone() };
    let plain = zeroize::Zeroizing::new(serde_json::to_string(&pending).map_err(|e| ApiError::internal(&e))?);
    let sealed = state.vault.seal(place(&name), &plain).map_err(|e| ApiError::internal(&e))?;
    state.cache.put(&cache_name(&name), &sealed, LIFE_MS).await.map_err(|e| ApiError::unavailable(&e))?;
    let mut response = if query.0.redirect {
        HttpResponse::Found().insert_header((LOCATION, begun.url)).finish()
    } else {
        let view = StartView { auth_url: begun.url, state: name, expires_in: LIFE_MS / 1_000 };
        Data::ok(view).respond_to(&request)
    };
    let cookie = Cookie::build(COOKIE, browser)
        .path(COOKIE_PATH)
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(provider.settings.redirect_uri.starts_with("https://"))
        .max_age(Duration::milliseconds(LIFE_MS))
        .finish();
    response.add_cookie(&cookie).map_err(|e| ApiError::internal(&e))?;
    Ok(response)
}

/// What the provider sends back.
#[derive(Debug, Deserialize, utoipa::ToSchema, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Callback {
    /// The state of the login.
    #[serde(default)]
    state: String,
    /// The code.
    #[serde(default)]
    code: Option<String>,
    /// The provider's refusal.
    #[serde(default)]
    error: Option<String>,
}

/// Finishes a login: the page that the provider redirects to.
#[utoipa::path(tag = "session", params(Callback), responses((status = 200, body = Envelope<SessionView>)))]
#[get("/auth/oidc/callback")]
pub async fn finish_oidc(
    request: HttpRequest,
    state: State<AdminState>,
    query: Params<Callback>,
) -> Result<Data<SessionView>, ApiError> {
    finish(&request, &state, query.0).await
}

/// Finishes a login, for a page of the console that got the code.
#[utoipa::path(tag = "session", request_body = Callback, responses((status = 200, body = Envelope<SessionView>)))]
#[post("/auth/oidc/callback")]
pub async fn finish_oidc_by_page(
    request: HttpRequest,
    state: State<AdminState>,
    body: Body<Callback>,
) -> Result<Data<SessionView>, ApiError> {
    finish(&request, &state, body.0).await
}

async fn finish(request: &HttpRequest, state: &AdminState, back: Callback) -> Result<Data<SessionView>, ApiError> {
    let (client, provider) = (ClientInfo::of(request), provider(state)?);
    admit(state, &client, "oidc", "oidc").await?;
    let Some(pending) = take(request, state, &back.state).await? else {
        return Err(failed(state, &client, "oidc", "oidc").await);
    };
    let Some(code) = back.code.filter(|_| back.error.is_none()) else {
        return Err(ApiError::new(Reason::InvalidCredentials, "the provider let nobody in"));
    };
    let guest = match provider.finish(&code, &pending.nonce, &SecretString::from(pending.verifier)).await {
        Ok(guest) => guest,
        Err(LoginError::Refused(cause)) => {
            tracing::warn!(target: "oidc", cause, "login refused");
            return Err(failed(state, &client, "oidc", "oidc").await);
        }
        Err(error) => return Err(refusal(error)),
    };
    let settings = &provider.settings;
    let vouched = Vouched::Oidc { issuer: &settings.issuer, subject: &guest.subject, create: settings.create_users };
    let audit = |action: &str, user: Option<UserId>| AuditEntry {
        target_id: user.map(|id| id.to_string()),
        ..entry(state, &client, "system", action, None)
    };
    let user = arrive(&state.db, guest.person, vouched, audit, state.clock.now()).await?;
    state.sessions.forget(user.id).await;
    let name = user.config.username.to_lowercase();
    let first = FirstFactor { user, name: &name, method: "oidc", code: None };
    Ok(Data::ok(open(state, &client, first).await?))
}

/// What the login began with: once, and only for the browser that began it.
async fn take(request: &HttpRequest, state: &AdminState, name: &str) -> Result<Option<Pending>, ApiError> {
    let plain = name.len() == 43 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let Some(cookie) = request.cookie(COOKIE).filter(|_| plain) else { return Ok(None) };
    let sealed = state.cache.take(&cache_name(name)).await.map_err(|e| ApiError::unavailable(&e))?;
    let Some(sealed) = sealed else { return Ok(None) };
    let opened = state.vault.open(place(name), &sealed).map_err(|e| ApiError::internal(&e))?;
    let pending: Pending = serde_json::from_str(opened.expose_secret()).map_err(|e| ApiError::internal(&e))?;
    let same = bool::from(pending.browser.as_bytes().ct_eq(cookie.value().as_bytes()));
    Ok(same.then_some(pending))
}

fn refusal(error: LoginError) -> ApiError {
    tracing::warn!(target: "oidc", %error, "the provider cannot be asked");
    ApiError::new(Reason::OidcUnavailable, "the OpenID provider cannot be asked now").retry_after(5)
}
