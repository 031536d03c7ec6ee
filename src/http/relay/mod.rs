//! The relay routes: what clients call. Each handler reads its request, makes one call into [`crate::relay`], and renders
//! the answer in the caller's dialect.

pub mod path;

pub mod door;
pub mod generate;
pub mod key_info;
pub mod models;

pub mod render;

use actix_web::http::Method;
use actix_web::http::header::UPGRADE;
use actix_web::{HttpRequest, HttpResponse, web};
use actors::domain::route::Endpoint;

use crate::dialect::{Dialect, Surface};
use crate::relay::{CallTarget, Relay, RelayError};
use path::{NoTarget, Target};

/// Adds the relay routes. The application data must hold this worker's [`Relay`]. Every path that no other route takes is
/// read as a relay path, so that aliases and odd spellings need no route each.
pub fn configure(app: &mut web::ServiceConfig) {
    app.default_service(web::route().to(dispatch));
}

async fn dispatch(http: HttpRequest, payload: web::Payload) -> HttpResponse {
    let Some(relay) = http.app_data::<Relay>().cloned() else {
        return HttpResponse::InternalServerError().finish();
    };
    let path = http.uri().path().to_owned();
    let reads = *http.method() == Method::GET || *http.method() == Method::HEAD;
    match path::target(&path) {
        Ok(Target::Call(call)) if takes(&call, &http) => generate::call(call, http, payload).await,
        Ok(Target::Call(call)) if call.endpoint == Endpoint::Generate && http.headers().contains_key(UPGRADE) => {
            HttpResponse::UpgradeRequired().finish()
        }
        Ok(Target::Hello) if reads => HttpResponse::Ok().finish(),
        Ok(Target::EventBatch) if *http.method() == Method::POST => {
            HttpResponse::Ok().json(serde_json::json!({"success": true}))
        }
        Ok(Target::Models(shape)) if reads => models::list(&relay, &http, shape).await,
        Ok(Target::Model(shape, model)) if reads => models::one(&relay, &http, shape, &model).await,
        Ok(Target::KeyInfo(shape)) if reads => key_info::key_info(&relay, &http, shape).await,
        Ok(Target::Usage) if reads => key_info::usage(&relay, &http).await,
        Ok(Target::Me) if reads => key_info::me(&relay, &http).await,
        Ok(Target::OrganizationUsage) if reads => key_info::organization_usage(&relay, &http).await,
        Err(NoTarget::Unsafe) => {
            let error = RelayError::BadRequest("the path is not acceptable".to_owned());
            door::refuse(&relay, &error, &door::arrive(&relay, "unknown", of_prefix(&path)), &http)
        }
        Ok(_) | Err(NoTarget::Unknown) => {
            relay.metrics().relay_refused("not_found").inc();
            render::unknown_path(&path, &door::arrive(&relay, "unknown", of_prefix(&path)), http.headers())
        }
    }
}

/// The methods of a call: POST, and for what only reads or deletes, those of its own.
fn takes(call: &CallTarget, http: &HttpRequest) -> bool {
    let method = http.method();
    match call.endpoint {
        Endpoint::Stored => match call.tail.rsplit('/').next() {
            Some("cancel") => *method == Method::POST,
            Some("input_items") => *method == Method::GET,
            _ => *method == Method::GET || *method == Method::DELETE,
        },
        Endpoint::Assist => *method == Method::GET || *method == Method::POST,
        _ => *method == Method::POST,
    }
}

fn of_prefix(path: &str) -> Surface {
    Surface::plain(path::dialect_of_prefix(path).unwrap_or(Dialect::Anthropic))
}
