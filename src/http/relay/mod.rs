//! The relay routes: what clients call. Each handler reads its request, makes one call into [`crate::relay`], and renders
//! the answer in the caller's dialect.

pub mod path;

pub mod count_tokens;
pub mod door;
pub mod key_info;
pub mod messages;
pub mod models;

pub mod render;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::relay::{Relay, RelayError};
use path::{NoTarget, Target};

/// Adds the relay routes. The application data must hold this worker's [`Relay`]. Every path that no other route takes is
/// read as a relay path, so that aliases and odd spellings need no route each.
pub fn configure(app: &mut web::ServiceConfig) {
    let messages = web::resource("/v1/messages").route(web::post().to(messages::post));
    app.service(messages.default_service(web::route().to(dispatch))).default_service(web::route().to(dispatch));
}

async fn dispatch(http: HttpRequest, payload: web::Payload) -> HttpResponse {
    let Some(relay) = http.app_data::<Relay>().cloned() else {
        return HttpResponse::InternalServerError().finish();
    };
    let path = http.path().to_owned();
    let reads = *http.method() == Method::GET || *http.method() == Method::HEAD;
    match path::target(&path) {
        Ok(Target::Hello) if reads => HttpResponse::Ok().finish(),
        Ok(Target::EventBatch) if *http.method() == Method::POST => {
            HttpResponse::Ok().json(serde_json::json!({"success": true}))
        }
        Ok(Target::Messages) if *http.method() == Method::POST => messages::post(http, payload).await,
        Ok(Target::CountTokens) if *http.method() == Method::POST => count_tokens::post(http, payload).await,
        Ok(Target::Models) if reads => models::list(&relay, &http).await,
        Ok(Target::Model(model)) if reads => models::one(&relay, &http, model).await,
        Ok(Target::KeyInfo) if reads => key_info::key_info(&relay, &http).await,
        Ok(Target::Usage) if reads => key_info::usage(&relay, &http).await,
        Ok(Target::Me) if reads => key_info::me(&relay, &http).await,
        Ok(Target::OrganizationUsage) if reads => key_info::organization_usage(&relay, &http).await,
        Err(NoTarget::Unsafe) => {
            let error = RelayError::BadRequest("the path is not acceptable".to_owned());
            door::refuse(&relay, &error, door::arrive(&relay, "unknown"), &http)
        }
        Ok(_) | Err(NoTarget::Unknown) => {
            relay.metrics().relay_refused("not_found").inc();
            render::unknown_path(&path, door::arrive(&relay, "unknown").request, http.headers())
        }
    }
}
