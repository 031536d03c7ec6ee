//! `/metrics`: everything that is registered, as Prometheus text.

use std::future::Future;
use std::pin::Pin;

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use prometheus::{Registry, TextEncoder};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// Refreshes gauges that are read at each scrape.
pub type Refresh = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What a scrape reads.
pub struct Exporter {
    registry: Registry,
    refresh: Refresh,
    token: Option<SecretString>,
}

impl Exporter {
    /// An exporter of this registry. With a token, a scrape must present it as bearer.
    pub fn new(registry: Registry, refresh: Refresh, token: Option<SecretString>) -> Self {
        Self { registry, refresh, token }
    }

    fn admits(&self, request: &HttpRequest) -> bool {
        let Some(token) = &self.token else { return true };
        let given = request.headers().get(AUTHORIZATION).and_then(|v| v.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        bool::from(given.as_bytes().ct_eq(token.expose_secret().as_bytes()))
    }
}

/// The scrape.
pub async fn metrics(request: HttpRequest, exporter: Data<Exporter>) -> HttpResponse {
    if !exporter.admits(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    (exporter.refresh)().await;
    match TextEncoder::new().encode_to_string(&exporter.registry.gather()) {
        Ok(text) => HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}
