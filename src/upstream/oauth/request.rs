//! What every request to a token endpoint has in common.

use actix_http::Method;
use actix_http::header::{self, HeaderName, HeaderValue};
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::kinds::Encoding;
use super::{Party, Unready};
use crate::transport::OwnCall;

/// Fields of a body, in their order.
pub(super) type Fields<'a> = Vec<(&'static str, &'a str)>;

impl Party<'_> {
    /// The client secret, where the vendor wants one.
    pub(super) fn secret(&self) -> Result<Option<&SecretString>, Unready> {
        match (self.manner.secret_setting, &self.config.client_secret) {
            (None, _) => Ok(None),
            (Some(_), Some(secret)) => Ok(Some(secret)),
            (Some(setting), None) => Err(Unready::NoClientSecret(setting)),
        }
    }

    /// A POST of these fields, with the client secret where the vendor wants one.
    pub(super) fn post<'a>(&'a self, url: &str, mut fields: Fields<'a>) -> Result<OwnCall, Unready> {
        if let Some(secret) = self.secret()? {
            fields.push(("client_secret", secret.expose_secret()));
        }
        let (kind, body) = encoded(self.manner.encoding, &fields)?;
        let mut headers = own_headers(self.user_agent)?;
        headers.push((header::CONTENT_TYPE, HeaderValue::from_static(kind)));
        Ok(OwnCall { method: Method::POST, url: url.to_owned(), headers, body })
    }
}

/// The headers of our own calls.
pub(super) fn own_headers(user_agent: &str) -> Result<Vec<(HeaderName, HeaderValue)>, Unready> {
    Ok(vec![
        (header::ACCEPT, HeaderValue::from_static("application/json")),
        (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        (header::USER_AGENT, HeaderValue::from_str(user_agent).map_err(|_| Unready::Unsendable)?),
    ])
}

/// `authorization: Bearer …` for our own calls.
pub(super) fn bearer(token: &SecretString) -> Result<(HeaderName, HeaderValue), Unready> {
    let value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
    let mut value = value.map_err(|_| Unready::Unsendable)?;
    value.set_sensitive(true);
    Ok((header::AUTHORIZATION, value))
}

fn encoded(encoding: Encoding, fields: &[(&'static str, &str)]) -> Result<(&'static str, Bytes), Unready> {
    match encoding {
        Encoding::Json => {
            let body = serde_json::to_vec(&Object(fields)).map_err(|_| Unready::Unsendable)?;
            Ok(("application/json", Bytes::from(body)))
        }
        Encoding::Form => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.extend_pairs(fields);
            Ok(("application/x-www-form-urlencoded", Bytes::from(form.finish())))
        }
    }
}

/// Fields as a JSON object, in their order. A life in seconds is a number.
struct Object<'a>(&'a [(&'static str, &'a str)]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, text) in self.0 {
            match text.parse::<u64>().ok().filter(|_| *name == "expires_in") {
                Some(seconds) => map.serialize_entry(name, &seconds)?,
                None => map.serialize_entry(name, text)?,
            }
        }
        map.end()
    }
}
