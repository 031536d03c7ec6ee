//! JSON bodies and queries of management routes: unknown fields are refused, faults name their field.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use serde::de::DeserializeOwned;

use super::session::let_in;
use crate::http::error::{ApiError, Reason};

/// Largest management body. Imports of price files fit.
pub const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = web::Bytes::from_request(request, payload);
        let let_in = let_in(request);
        Box::pin(async move {
            let read = bytes.await.map_err(|error| match error.as_response_error().status_code().as_u16() {
                413 => ApiError::new(Reason::PayloadTooLarge, "the body is too large"),
                _ => ApiError::invalid("", "the body cannot be read"),
            });
            let parsed = read.and_then(|bytes| parse(if bytes.is_empty() { b"{}" } else { &bytes }));
            if parsed.is_err() {
                let_in.await;
            }
            parsed.map(Self)
        })
    }
}

/// Query parameters.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Params<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parsed = web::Query::<T>::from_query(request.query_string());
        let parsed = parsed.map(|query| Self(query.into_inner())).map_err(|error| fault(&error.to_string()));
        let let_in = let_in(request);
        Box::pin(async move {
            if parsed.is_err() {
                let_in.await;
            }
            parsed
        })
    }
}

/// Parses JSON the way every management body is parsed.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(text).map_err(|error| fault(&error.to_string()))
}

/// The same for a value that was already JSON.
pub fn parse_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, ApiError> {
    serde_json::from_value(value).map_err(|error| fault(&error.to_string()))
}

/// serde's text names the field in backquotes; it never holds a value of a secret, since those are texts of any form.
fn fault(text: &str) -> ApiError {
    let field = text.split('`').nth(1).unwrap_or_default();
    if text.contains("unknown field") {
        return ApiError { reason: Reason::UnknownField, ..ApiError::invalid(field, "is not known here") };
    }
    ApiError::invalid("", text)
}
