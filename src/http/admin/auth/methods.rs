//! `/auth/methods`: what a login page offers.

use actix_web::get;
use actix_web::web::Data as State;
use actors::domain::settings::Registration;
use serde::Serialize;

use crate::http::admin::AdminState;
use crate::http::envelope::{Data, Envelope};

/// Ways to come in.
#[derive(Serialize, utoipa::ToSchema)]
pub struct MethodsView {
    /// Name and password.
    password: bool,
    /// The password may be the directory's.
    ldap: bool,
    /// The name of an OpenID provider.
    oidc: Option<String>,
    /// `open`, `invite` or `closed`.
    registration: &'static str,
}

/// Says how one can log in and register.
#[utoipa::path(tag = "session", responses((status = 200, body = Envelope<MethodsView>)))]
#[get("/auth/methods")]
pub async fn login_methods(state: State<AdminState>) -> Data<MethodsView> {
    let settings = state.engine.settings.current();
    std::future::ready(Data::ok(MethodsView {
        password: true,
        ldap: state.directory.is_some(),
        oidc: state.openid.as_ref().map(|provider| provider.settings.name.clone()),
        registration: match settings.registration {
            Registration::Open => "open",
            Registration::Invite => "invite",
            Registration::Closed => "closed",
        },
    }))
    .await
}
