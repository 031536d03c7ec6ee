//! Proves who calls: by Signature Version 4, or by a Bedrock API key as bearer.

use std::time::{Duration, UNIX_EPOCH};

use actix_http::Method;
use actix_http::header::{self, HeaderName, HeaderValue};
use actors::domain::credential::{Credential, Secret};
use actors::domain::time::Timestamp;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningParams, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use secrecy::{ExposeSecret, SecretString};

use crate::upstream::PrepareError;
use crate::upstream::anthropic_api::auth;

/// The service in the scope of a signature.
const SERVICE: &str = "bedrock";

/// A request as it will be sent: nothing in it may change after it is signed.
pub(super) struct Unsigned<'a> {
    pub(super) method: &'a Method,
    pub(super) url: &'a str,
    pub(super) headers: &'a [(HeaderName, HeaderValue)],
    pub(super) body: &'a [u8],
}

/// The headers that prove who calls.
pub(super) fn auth(
    request: &Unsigned<'_>,
    region: &str,
    now: Timestamp,
    credential: &Credential,
) -> Result<Vec<(HeaderName, HeaderValue)>, PrepareError> {
    match &credential.secret {
        Secret::ApiKey(key) => Ok(vec![auth::bearer(key)?]),
        Secret::Aws { access_key_id, secret_access_key, session_token } => {
            let text = |secret: &SecretString| secret.expose_secret().to_owned();
            let token = session_token.as_ref().map(text);
            let keys = Credentials::new(text(access_key_id), text(secret_access_key), token, None, "account");
            signature(request, region, now, keys)
        }
        Secret::OAuth { .. } => Err(PrepareError::BadCredential),
    }
}

fn signature(
    request: &Unsigned<'_>,
    region: &str,
    now: Timestamp,
    keys: Credentials,
) -> Result<Vec<(HeaderName, HeaderValue)>, PrepareError> {
    let identity = Identity::from(keys);
    let time = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.0).unwrap_or_default());
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(SERVICE)
        .time(time)
        .settings(settings())
        .build()
        .map_err(|_| PrepareError::BadOption)?;
    // Only what says what the body is: the name of the client may be changed on the way.
    let signed = request.headers.iter().filter(|(name, _)| *name == header::CONTENT_TYPE);
    let signed = signed.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let body = SignableBody::Bytes(request.body);
    let signable = SignableRequest::new(request.method.as_str(), request.url, signed, body)
        .map_err(|_| PrepareError::BadBaseUrl)?;
    let output = sign(signable, &SigningParams::V4(params)).map_err(|_| PrepareError::BadCredential)?;
    output.output().headers().map(|(name, value)| secret_header(name, value)).collect()
}

/// The service decodes the path before it checks: an escape counts as text of its own. It wants the hash of the body.
fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Double;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings
}

fn secret_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), PrepareError> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| PrepareError::BadCredential)?;
    auth::sensitive(name, value)
}
