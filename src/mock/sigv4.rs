//! Checks an AWS signature (version 4): always its form, and the signature itself for keys whose secret the mock knows.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::wire::Request;

/// Key ids that start so sign with [`SECRET`].
pub const KNOWN_KEYS: &str = "AKIAMOCK";
/// The secret of the known keys.
pub const SECRET: &str = "mock-secret-access-key";

/// The parts of an `authorization` header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signature<'a> {
    pub(super) key_id: &'a str,
    /// `date/region/service/aws4_request`.
    scope: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Signature<'a> {
    pub(super) fn parse(authorization: &'a str) -> Option<Self> {
        let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let field = |name: &str| {
            rest.split(',').find_map(|part| part.trim().strip_prefix(name)).and_then(|value| value.strip_prefix('='))
        };
        let (key_id, scope) = field("Credential")?.split_once('/')?;
        Some(Self { key_id, scope, signed_headers: field("SignedHeaders")?, signature: field("Signature")? })
    }
}

/// What is wrong with the signature of a request; `None` = nothing.
pub(super) fn fault(request: &Request) -> Option<&'static str> {
    let Some(signature) = request.header("authorization").and_then(Signature::parse) else {
        return Some("the authorization header is no signature");
    };
    let scope: Vec<&str> = signature.scope.split('/').collect();
    let [date, _region, service, "aws4_request"] = scope[..] else { return Some("the credential scope is malformed") };
    if service != "bedrock" {
        return Some("Credential should be scoped to correct service: 'bedrock'.");
    }
    if !request.header("x-amz-date").is_some_and(|stamp| stamp.starts_with(date) && stamp.len() == 16) {
        return Some("x-amz-date is missing or of another day than the scope");
    }
    let signs = |name: &str| signature.signed_headers.split(';').any(|given| given == name);
    if !signs("host") || !signs("x-amz-date") {
        return Some("host and x-amz-date must be signed");
    }
    if request.header("x-amz-security-token").is_some() && !signs("x-amz-security-token") {
        return Some("x-amz-security-token must be signed");
    }
    let body = hex::encode(Sha256::digest(&request.body));
    if request.header("x-amz-content-sha256").is_some_and(|given| given != body) {
        return Some("x-amz-content-sha256 is not that of the body");
    }
    let known = signature.key_id.starts_with(KNOWN_KEYS);
    let wrong = known && signed(request, &signature, &body, SECRET).as_deref() != Some(signature.signature);
    wrong.then_some("The request signature we calculated does not match the signature you provided.")
}

/// The signature that the request should have.
fn signed(request: &Request, signature: &Signature<'_>, body: &str, secret: &str) -> Option<String> {
    let canonical = canonical(request, signature.signed_headers, body);
    let stamp = request.header("x-amz-date")?;
    let text = format!(
        "AWS4-HMAC-SHA256\n{stamp}\n{}\n{}",
        signature.scope,
        hex::encode(Sha256::digest(canonical.as_bytes()))
    );
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in signature.scope.split('/') {
        key = mac(&key, part)?;
    }
    Some(hex::encode(mac(&key, &text)?))
}

fn mac(key: &[u8], text: &str) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

fn canonical(request: &Request, signed_headers: &str, body: &str) -> String {
    let query = request.target().split_once('?').map_or("", |(_, query)| query);
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    pairs.sort();
    let mut text = format!("{}\n{}\n{}\n", request.method(), encoded(request.path()), pairs.join("&"));
    for name in signed_headers.split(';') {
        let values: Vec<String> = request
            .headers()
            .filter(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        text.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    format!("{text}\n{signed_headers}\n{body}")
}

/// The path as it stands on the wire, encoded once more, as every service but S3 has it.
fn encoded(path: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::{Signature, signed};
    use crate::mock::wire::Request;

    /// `get-vanilla-query-order-key-case` and `get-vanilla` of the published test suite.
    #[test]
    fn published_examples_are_signed_so() {
        for (target, expected) in [
            ("/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        ] {
            let head =
                format!("GET {target} HTTP/1.1\r\nHost:example.amazonaws.com\r\nX-Amz-Date:20150830T123600Z\r\n\r\n");
            let request = Request::of(head, "");
            let signature = Signature {
                key_id: "AKIDEXAMPLE",
                scope: "20150830/us-east-1/service/aws4_request",
                signed_headers: "host;x-amz-date",
                signature: "",
            };
            let body = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
            let made = signed(&request, &signature, body, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
            assert_eq!(made.as_deref(), Some(expected), "{target}");
        }
    }
}
