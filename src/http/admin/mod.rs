//! The management API: one file per resource; a handler is a params struct, a response struct and one function.
//!
//! Routes are closed by default: a handler gets at anything only through a [`Session`](super::extract::Session), whose type
//! names the role; the OpenAPI document repeats it, and a test walks every route with every role.

pub mod authorisations;
pub mod document;
pub mod edge;
pub mod logins;
pub mod sessions;
pub mod state;

pub mod aliases;
pub mod auth;
pub mod invite_codes;
pub mod me;
pub mod my_second_factor;
pub mod user_view;
pub mod users;

pub mod api_keys;
pub mod client_types;
pub mod key_bulk;
mod key_export;
pub mod key_imports;
pub mod key_limits;
pub mod key_usage;

pub mod account_actions;
pub mod account_tags;
pub mod account_view;
pub mod accounts;
pub mod checkup;
pub mod groups;
pub mod imports;
pub mod oauth;
pub mod proxies;

pub mod request_logs;
pub mod scheduler;
pub mod simulate;
pub mod usage_stats;

mod audit_export;
pub mod audit_logs;
pub mod configs;
pub mod money;
pub mod prices;
pub mod reencrypt;
pub mod system;

use actix_web::guard::fn_guard;
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, web};
use tracing_actix_web::TracingLogger;
use utoipa_actix_web::service_config::ServiceConfig;

use super::error::ApiError;
use super::extract::PageQuery;
use super::relay::path::target;
pub use document::{openapi, openapi_text};
pub use state::{AdminParts, AdminState, Publish, new_request_id};

/// Routes that need no session. Every other route names its role.
pub const OPEN_ROUTES: [&str; 10] = [
    "get /api/v1/auth/methods",
    "get /api/v1/auth/oidc/callback",
    "get /api/v1/auth/oidc/start",
    "get /api/v1/openapi.json",
    "get /api/v1/version",
    "post /api/v1/auth/login",
    "post /api/v1/auth/oidc/callback",
    "post /api/v1/auth/register",
    "post /api/v1/auth/second-factor",
    "post /api/v1/setup",
];

/// Adds the management API under `/api/v1`. Its state is `web::Data<AdminState>`. Paths there that belong to the relay
/// (`/api/v1/messages` and its like) are left to the default service.
pub fn configure(config: &mut web::ServiceConfig) {
    let ours = fn_guard(|request| !is_relay_path(request.head().uri.path()));
    let scope = utoipa_actix_web::scope("/api/v1").guard(ours).configure(routes);
    config
        .service(scope.default_service(web::to(nothing_here)).wrap(from_fn(edge::edge)).wrap(TracingLogger::default()))
        .configure(aliases::configure);
}

fn is_relay_path(path: &str) -> bool {
    target(path).is_ok()
}

/// Every route. Exact paths come before those with a parameter.
fn routes(config: &mut ServiceConfig<'_>) {
    config
        .configure(people_routes)
        .configure(key_routes)
        .configure(account_routes)
        .configure(money::routes)
        .configure(other_routes);
}

fn key_routes(config: &mut ServiceConfig<'_>) {
    config
        .service(key_bulk::bulk_keys)
        .service(key_imports::import_keys)
        .service(key_usage::validate_key)
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
        .service(key_usage::key_uses)
        .service(client_types::client_filter)
        .service(client_types::change_client_filter)
        .service(client_types::test_client_filter)
        .service(client_types::list_client_types)
        .service(client_types::create_client_type)
        .service(client_types::get_client_type)
        .service(client_types::update_client_type)
        .service(client_types::delete_client_type);
}

fn people_routes(config: &mut ServiceConfig<'_>) {
    config
        .service(auth::setup::first_administrator)
        .service(auth::methods::login_methods)
        .service(auth::login::login)
        .service(auth::second_factor::second_step)
        .service(auth::oidc::start_oidc)
        .service(auth::oidc::finish_oidc)
        .service(auth::oidc::finish_oidc_by_page)
        .service(auth::register::register)
        .service(auth::step_up::step_up)
        .service(auth::login::refresh)
        .service(auth::login::logout)
        .service(my_second_factor::confirm_second_factor)
        .service(my_second_factor::renew_recovery_codes)
        .service(my_second_factor::show_my_second_factor)
        .service(my_second_factor::begin_second_factor)
        .service(my_second_factor::remove_my_second_factor)
        .service(me::change_my_password)
        .service(me::end_my_sessions)
        .service(me::get_me)
        .service(me::update_me)
        .service(users::list_users)
        .service(users::create_user)
        .service(users::get_user)
        .service(users::update_user)
        .service(users::set_user_status)
        .service(users::reset_password)
        .service(users::remove_second_factor)
        .service(users::delete_user)
        .service(invite_codes::list_invite_codes)
        .service(invite_codes::create_invite_code)
        .service(invite_codes::get_invite_code)
        .service(invite_codes::update_invite_code)
        .service(invite_codes::delete_invite_code);
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
        .service(account_tags::accounts_by_tags)
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
        .service(simulate::simulate)
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
        .service(audit_logs::get_audit_log)
        .service(reencrypt::show_reencryption)
        .service(reencrypt::reencrypt)
        .service(system::system_info)
        .service(system::system_health)
        .service(system::system_actors)
        .service(system::show_version)
        .service(system::openapi_json);
}

async fn nothing_here() -> Result<HttpResponse, ApiError> {
    std::future::ready(Err(ApiError::not_found("route"))).await
}

/// Routes of the document that name no role and are not known to be open. The product does not start with one
/// (`access.md` §3).
pub fn undeclared_routes() -> Vec<String> {
    let document: serde_json::Value = serde_json::from_str(openapi_text()).unwrap_or_default();
    let paths = document.get("paths").and_then(serde_json::Value::as_object).into_iter().flatten();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (format!("{method} {path}"), operation))
    });
    let declared = |operation: &serde_json::Value| {
        let role = operation.pointer("/security/0/session/0").and_then(serde_json::Value::as_str);
        role.and_then(crate::store::users::Role::parse).is_some()
    };
    let open = |name: &str| OPEN_ROUTES.contains(&name);
    operations.filter(|(name, operation)| !declared(operation) && !open(name)).map(|(name, _)| name).collect()
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
