//! Paths of predecessors for logging in, registering and one's own profile (`access.md` §2): the same handlers.

use actix_web::middleware::from_fn;
use actix_web::web;
use tracing_actix_web::TracingLogger;

use super::auth::{login, register};
use super::{edge, me};

const LOGIN: [&str; 3] = ["/v1/users/login", "/api/auth/login", "/api/admin/login"];
const REGISTER: [&str; 2] = ["/v1/users/register", "/api/auth/register"];
const PROFILE: [&str; 2] = ["/v1/users/profile", "/api/profile"];

/// Adds the paths to the application; none of them is below `/api/v1`.
pub fn configure(config: &mut web::ServiceConfig) {
    let mut add = |path: &str, resource: fn(actix_web::Resource) -> actix_web::Resource| {
        let resource = resource(web::resource(path));
        config.service(resource.wrap(from_fn(edge::edge)).wrap(TracingLogger::default()));
    };
    for path in LOGIN {
        add(path, |resource| resource.route(web::post().to(login::log_in)));
    }
    for path in REGISTER {
        add(path, |resource| resource.route(web::post().to(register::sign_up)));
    }
    for path in PROFILE {
        add(path, |resource| resource.route(web::get().to(me::show_me)).route(web::put().to(me::change_me)));
    }
    add("/api/profile/password", |resource| {
        resource.route(web::put().to(me::change_password)).route(web::post().to(me::change_password))
    });
}
