//! The management API: one file per resource; a handler is a params struct, a response struct and one function.
//!
//! Routes are closed by default: a handler gets at anything only through a [`Session`](super::extract::Session), whose type
//! names the role; the OpenAPI document repeats it, and a test walks every route with every role.

pub mod authorisations;
pub mod edge;
pub mod logins;
pub mod sessions;
pub mod state;

pub mod auth;
pub mod me;
pub mod users;

pub mod api_keys;
pub mod key_limits;

pub mod account_actions;
pub mod account_view;
pub mod accounts;
pub mod checkup;
pub mod groups;
pub mod imports;
pub mod oauth;
pub mod proxies;

pub mod request_logs;
pub mod scheduler;
pub mod usage_stats;

pub mod money;

pub mod audit_logs;
pub mod configs;
pub mod prices;
pub mod system;

use std::sync::OnceLock;

use actix_web::guard::fn_guard;
use actix_web::middleware::from_fn;
use actix_web::web;
use tracing_actix_web::TracingLogger;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_actix_web::service_config::ServiceConfig;

use super::error::ApiError;
use super::extract::PageQuery;
use super::relay::path::{NoTarget, target};
pub use state::{AdminParts, AdminState, Publish, new_request_id};

/// Adds the management API under `/api/v1`. Its state is `web::Data<AdminState>`. Paths there that belong to the relay
/// (`/api/v1/messages` and its like) are left to the default service.
pub fn configure(config: &mut web::ServiceConfig) {
    let ours = fn_guard(|request| !is_relay_path(request.head().uri.path()));
    let scope = utoipa_actix_web::scope("/api/v1").guard(ours).configure(routes);
    config
        .service(scope.default_service(web::to(nothing_here)).wrap(from_fn(edge::edge)).wrap(TracingLogger::default()));
}

fn is_relay_path(path: &str) -> bool {
    !matches!(target(path), Err(NoTarget::Unknown))
}

/// Every route. Exact paths come before those with a parameter.
fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(auth::first_administrator)
        .service(auth::login)
        .service(auth::refresh)
        .service(auth::logout)
        .service(me::get_me)
        .service(me::update_me)
        .service(users::list_users)
        .service(users::create_user)
        .service(users::get_user)
        .service(users::update_user)
        .service(users::set_user_status)
        .service(users::delete_user)
        .service(api_keys::list_keys)
        .service(api_keys::create_key)
        .service(api_keys::get_key)
        .service(api_keys::update_key)
        .service(api_keys::delete_key)
        .service(api_keys::revoke_key)
        .service(api_keys::restore_key)
        .service(api_keys::toggle_key)
        .service(api_keys::rotate_key)
        .service(key_limits::key_limits)
        .configure(account_routes)
        .configure(money::routes)
        .configure(other_routes);
}

fn account_routes(config: &mut ServiceConfig<'_>) {
    config
        .service(accounts::account_types)
        .service(imports::import_credentials)
        .service(oauth::start_authorisation)
        .service(oauth::exchange_code)
        .service(oauth::show_authorisation)
        .service(oauth::reauthorise_account)
        .service(accounts::list_accounts)
        .service(accounts::create_account)
        .service(accounts::get_account)
        .service(accounts::update_account)
        .service(accounts::delete_account)
        .service(account_actions::test_one_account)
        .service(account_actions::refresh_token)
        .service(account_actions::reset_health)
        .service(account_actions::clear_cooldowns)
        .service(account_actions::pause_account)
        .service(account_actions::resume_account)
        .service(account_actions::restart_account)
        .service(account_actions::account_state)
        .service(account_actions::account_leases)
        .service(account_actions::release_lease)
        .service(groups::all_groups)
        .service(groups::list_groups)
        .service(groups::create_group)
        .service(groups::get_group)
        .service(groups::update_group)
        .service(groups::delete_group)
        .service(groups::add_group_account)
        .service(groups::remove_group_account)
        .service(proxies::enabled_proxies)
        .service(proxies::list_proxies)
        .service(proxies::create_proxy)
        .service(proxies::get_proxy)
        .service(proxies::update_proxy)
        .service(proxies::delete_proxy)
        .service(proxies::test_one_proxy);
}

fn other_routes(config: &mut ServiceConfig<'_>) {
    config
        .service(scheduler::list_decisions)
        .service(scheduler::simulate)
        .service(scheduler::scheduler_pool)
        .service(scheduler::scheduler_queue)
        .service(scheduler::sticky_sessions)
        .service(scheduler::forget_sticky_session)
        .service(usage_stats::sum_usage)
        .service(request_logs::list_requests)
        .service(request_logs::get_request)
        .service(configs::list_configs)
        .service(configs::list_category)
        .service(configs::change_configs)
        .service(configs::config_history)
        .service(prices::list_prices)
        .service(prices::set_price)
        .service(prices::import_prices)
        .service(prices::approve_import)
        .service(prices::end_price)
        .service(audit_logs::verify_audit_logs)
        .service(audit_logs::list_audit_logs)
        .service(system::system_info)
        .service(system::system_health)
        .service(system::system_actors)
        .service(system::show_version)
        .service(system::openapi_json);
}

async fn nothing_here() -> Result<actix_web::HttpResponse, ApiError> {
    std::future::ready(Err(ApiError::not_found("route"))).await
}

#[derive(OpenApi)]
#[openapi(info(title = "QuotaLane management API", license(name = "MIT", identifier = "MIT")))]
struct Document;

/// The OpenAPI document, from the routes themselves. Security scopes are roles: the weakest that may call.
pub fn openapi() -> utoipa::openapi::OpenApi {
    use utoipa_actix_web::AppExt;
    let scope = utoipa_actix_web::scope("/api/v1").configure(routes);
    let app = actix_web::App::new().into_utoipa_app().openapi(Document::openapi()).service(scope);
    let (_, mut document) = app.split_for_parts();
    let session = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("session", SecurityScheme::Http(session));
    document
}

/// The document as it is served and committed.
pub fn openapi_text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| openapi().to_pretty_json().unwrap_or_default() + "\n")
}

/// A search text, or 400 when it is too short to narrow anything.
fn search(text: Option<String>) -> Result<Option<String>, ApiError> {
    match text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()) {
        Some(text) if text.chars().count() < 2 => Err(ApiError::invalid("q", "must have at least 2 characters")),
        other => Ok(other),
    }
}

/// One page of rows that are few enough to be read together.
fn slice<T>(rows: Vec<T>, page: PageQuery) -> Result<(Vec<T>, PageQuery), ApiError> {
    let range = page.rows()?;
    let skip = usize::try_from(range.offset).unwrap_or(usize::MAX);
    let take = usize::try_from(range.limit).unwrap_or(usize::MAX);
    Ok((rows.into_iter().skip(skip).take(take).collect(), page))
}
