//! Proof that a person with a role asks. A handler that takes `Session<R>` cannot run without it: routes are closed by
//! default, and the type in the signature is the required role (`access.md` §3).

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::client::ClientInfo;
use crate::http::admin::AdminState;
use crate::http::error::{ApiError, Reason};
use crate::identity::token::Claims;
use crate::store::audit::AuditEntry;
use crate::store::users::{Role, UserRow};

/// Opens when the caller was let in. Faults of bodies and queries wait for it, so that nobody learns from them what a route
/// wants before showing that it may be called.
#[derive(Debug, Clone, Default)]
struct Gate(Rc<Notify>);

/// Waits until the caller was let in; at once on routes that need no session.
pub fn let_in(request: &HttpRequest) -> impl Future<Output = ()> + use<> {
    let gate = request.extensions().get::<Gate>().cloned();
    async move {
        if let Some(gate) = gate {
            gate.0.notified().await;
        }
    }
}

/// A role that a route asks for.
pub trait Required: 'static {
    /// The weakest role that may pass.
    const ROLE: Role;
    /// Open also to who still has to set up a second factor.
    const TO_ENTRANTS: bool = false;
}

macro_rules! required {
    ($($(#[$doc:meta])* $name:ident = $role:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl Required for $name {
            const ROLE: Role = Role::$role;
        }
    )*};
}

required! {
    /// Everyone with a session.
    User = User;
    /// May read everything.
    Auditor = Auditor;
    /// May change everything but roles and security.
    Admin = Admin;
    /// May do everything.
    SuperAdmin = SuperAdmin;
}

/// Everyone with a session, also who still has to set up a second factor: one's own profile, and the way to one.
#[derive(Debug, Clone, Copy)]
pub struct Entrant;

impl Required for Entrant {
    const ROLE: Role = Role::User;
    const TO_ENTRANTS: bool = true;
}

/// True when the user's role needs a second factor and the user has none.
pub fn must_enrol(state: &AdminState, user: &UserRow) -> bool {
    let settings = state.engine.settings.current();
    let role = user.config.role.as_str();
    user.second_factor_at.is_none() && settings.require_2fa_roles.0.iter().any(|name| name == role)
}

/// A valid session of a user whose role suffices.
#[derive(Debug, Clone)]
pub struct Session<R> {
    /// Who.
    pub user: Arc<UserRow>,
    /// What the token says.
    pub claims: Arc<Claims>,
    /// From where.
    pub client: ClientInfo,
    role: PhantomData<R>,
}

impl<R> Session<R> {
    /// The user's role now.
    pub fn role(&self) -> Role {
        self.user.config.role
    }

    /// True when the user sees only own things.
    pub fn sees_own_only(&self) -> bool {
        self.role() == Role::User
    }

    /// An audit entry of this person's action.
    pub fn entry(&self, state: &AdminState, action: &str, kind: &str, id: Option<i64>, changes: Value) -> AuditEntry {
        AuditEntry {
            request_id: self.client.request_id.map(|id| id.to_string()),
            actor_type: "user",
            actor_id: Some(self.user.id.0),
            actor_role: Some(self.role().as_str().to_owned()),
            ip: self.client.ip.map(|ip| ip.to_string()),
            user_agent: self.client.user_agent.clone(),
            target_type: Some(kind.to_owned()),
            target_id: id.map(|id| id.to_string()),
            changes,
            ..AuditEntry::system(state.clock.now(), action)
        }
    }
}

impl<R: Required> FromRequest for Session<R> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let state = request.app_data::<Data<AdminState>>().cloned();
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(bearer).map(str::to_owned);
        let client = ClientInfo::of(request);
        let route = format!("{} {}", request.method(), request.match_pattern().unwrap_or_default());
        let gate = Gate::default();
        request.extensions_mut().insert(gate.clone());
        Box::pin(async move {
            let state = state.ok_or_else(|| ApiError::internal(&"management state is missing"))?;
            let token = token.ok_or_else(|| ApiError::new(Reason::Unauthenticated, "a session is required"))?;
            let (user, claims) = state.sessions.check(&state, &token).await?;
            let session = Self { user, claims: Arc::new(claims), client, role: PhantomData };
            if session.role() < R::ROLE {
                session.note_refusal(&state, &route).await;
                return Err(ApiError::new(Reason::PermissionDenied, "your role does not allow this"));
            }
            if !R::TO_ENTRANTS && must_enrol(&state, &session.user) {
                return Err(ApiError::new(Reason::SecondFactorMissing, "your role needs a second factor"));
            }
            gate.0.notify_one();
            Ok(session)
        })
    }
}

/// A session whose owner gave the password within the last five minutes (`access.md` §4): what destroys or reveals takes
/// this type.
#[derive(Debug, Clone)]
pub struct Fresh<R>(pub Session<R>);

impl<R: Required> FromRequest for Fresh<R> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let state = request.app_data::<Data<AdminState>>().cloned();
        let session = Session::<R>::from_request(request, payload);
        Box::pin(async move {
            let session = session.await?;
            let state = state.ok_or_else(|| ApiError::internal(&"management state is missing"))?;
            session.stepped_up(&state)?;
            Ok(Self(session))
        })
    }
}

impl<R> Session<R> {
    /// For routes that destroy or reveal only at times.
    ///
    /// # Errors
    /// When the password was not given within the last five minutes.
    pub fn stepped_up(&self, state: &AdminState) -> Result<(), ApiError> {
        match self.claims.stepped_up(&state.clock) {
            true => Ok(()),
            false => Err(ApiError::new(Reason::StepUpRequired, "give the password again at POST /api/v1/auth/step-up")),
        }
    }

    /// Refused access is audited; a log that cannot be written does not turn the refusal into something else.
    async fn note_refusal(&self, state: &AdminState, route: &str) {
        let entry = self.entry(state, "access_denied", "route", None, json!({ "route": [null, route] }));
        let entry = AuditEntry { result: "denied", ..entry };
        if let Err(error) = crate::store::audit::append(&state.db, entry).await {
            tracing::warn!(target: "audit", %error, "refused access could not be audited");
        }
    }
}

/// The token of an `Authorization` header.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}
