//! The cheapest call that proves a credential and costs nothing, per kind. Builds it and reads its answer; sends nothing.

use actix_http::Method;
use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actors::domain::account::{AccountKind, AccountSpec};
use actors::domain::credential::{Credential, Secret};
use actors::domain::route::Endpoint;
use actors::domain::time::Timestamp;
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};

use super::claude_official::usage;
use super::oauth::{CHATGPT_ACCOUNT_ID, OAuthBook, code_assist, organization};
use super::{Inbound, adapter};
use crate::dialect::{Dialect, Surface, peek};
use crate::transport::{OwnAnswer, OwnCall};

/// A prompt whose tokens are counted to see whether a key is accepted; counting costs nothing.
const PROMPT: &[u8] = br#"{"model":"claude-haiku-4-5","messages":[{"role":"user","content":"ping"}]}"#;
/// Azure's, unless the account names another.
const AZURE_VERSION: &str = "2024-10-21";

/// The call; `None` when there is none for this account.
pub fn request(book: &OAuthBook, account: &AccountSpec, credential: &Credential, now: Timestamp) -> Option<OwnCall> {
    let base = account.base_url.as_deref().map(|base| base.trim_end_matches('/'));
    match account.kind {
        AccountKind::ClaudeOfficial => {
            let of_base = base.map(|base| format!("{base}/api/oauth/usage"));
            let url = of_base.unwrap_or_else(|| book.claude_official.account_url.clone());
            usage::usage_request(&url, &book.user_agent, credential)
        }
        AccountKind::ClaudeConsole | AccountKind::Ccr | AccountKind::Bedrock => {
            counting(book, account, credential, now)
        }
        AccountKind::OpenAi | AccountKind::OpenAiResponses => {
            let url = format!("{}/v1/models", versionless(base.unwrap_or("https://api.openai.com")));
            looking(book, url, vec![bearer(key(credential)?)?])
        }
        AccountKind::AzureOpenAi => {
            let named = account.options.get("api_version").map_or(AZURE_VERSION, String::as_str);
            // People copy more than the endpoint out of Azure's pages.
            let copied = ["/openai/v1", "/openai/responses", "/openai"].into_iter();
            let endpoint = copied.filter_map(|end| base?.strip_suffix(end)).next().or(base)?;
            let url = match account.options.get("api_surface").map(String::as_str) {
                Some("v1") => format!("{endpoint}/openai/v1/models"),
                _ => format!("{endpoint}/openai/models?api-version={named}"),
            };
            looking(book, url, vec![sensitive("api-key", key(credential)?)?])
        }
        AccountKind::GeminiApi => {
            let url = google_models(base.unwrap_or("https://generativelanguage.googleapis.com"));
            looking(book, url, vec![sensitive("x-goog-api-key", key(credential)?)?])
        }
        AccountKind::Codex => codex(book, account, credential, base),
        AccountKind::Gemini => {
            let party = book.party(account.kind)?;
            code_assist::load(&party, base, access(credential)?).ok()
        }
        // The address of the organizations is Factory's own; a relay in its place has none.
        AccountKind::Droid if base.is_none() => {
            organization::request(&book.party(account.kind)?, access(credential)?).ok()?
        }
        AccountKind::Droid => None,
    }
}

/// Whether the vendor accepted the credential.
///
/// # Errors
/// When the answer says nothing about it.
pub fn read(kind: AccountKind, answer: &OwnAnswer) -> Result<bool, String> {
    let says = |word: &str| memchr::memmem::find(&answer.body, word.as_bytes()).is_some();
    match answer.status {
        // AWS answers 403 to a bad signature as well as to a call that this key may not make.
        403 if kind == AccountKind::Bedrock && refused_by_policy(&answer.headers) => {
            Err("the key may not count tokens; it was neither accepted nor refused".to_owned())
        }
        401..=403 => Ok(false),
        400 if kind == AccountKind::GeminiApi && says("API_KEY_INVALID") => Ok(false),
        500.. => Err(format!("the vendor answered {}", answer.status)),
        _ => Ok(true),
    }
}

fn refused_by_policy(headers: &HeaderMap) -> bool {
    let kind = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("AccessDenied"))
}

/// Counts the tokens of a prompt as a client would.
fn counting(book: &OAuthBook, account: &AccountSpec, credential: &Credential, now: Timestamp) -> Option<OwnCall> {
    let body = Bytes::from_static(PROMPT);
    let peeked = peek::peek(&body).ok()?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_str(&book.user_agent).ok()?);
    let call = Inbound {
        endpoint: Endpoint::CountTokens,
        method: &Method::POST,
        client: Surface::plain(Dialect::Anthropic),
        translated: false,
        tail: "",
        query: None,
        headers: &headers,
        body: &body,
        model: peeked.model.as_deref()?,
        model_span: peeked.model_span.clone(),
        stream: false,
        strip_thinking: false,
        now,
    };
    let prepared = (adapter(account.kind).prepare)(&call, account, credential).ok()?;
    Some(OwnCall { method: prepared.method, url: prepared.url, headers: prepared.headers, body: prepared.body })
}

/// The usage page of a subscription is beside the path that serves models.
fn codex(book: &OAuthBook, account: &AccountSpec, credential: &Credential, base: Option<&str>) -> Option<OwnCall> {
    let beside = |base: &str| format!("{}/wham/usage", base.strip_suffix("/codex").unwrap_or(base));
    let url = base.map_or_else(|| book.codex.account_url.clone(), beside);
    let mut auth = vec![bearer(access(credential)?)?];
    if let Some(id) = account.options.get(CHATGPT_ACCOUNT_ID).filter(|id| !id.is_empty()) {
        auth.push((HeaderName::from_static("chatgpt-account-id"), HeaderValue::from_str(id).ok()?));
    }
    looking(book, url, auth)
}

fn looking(book: &OAuthBook, url: String, auth: Vec<(HeaderName, HeaderValue)>) -> Option<OwnCall> {
    if url.is_empty() {
        return None;
    }
    let mut headers = vec![
        (header::ACCEPT, HeaderValue::from_static("application/json")),
        (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        (header::USER_AGENT, HeaderValue::from_str(&book.user_agent).ok()?),
    ];
    headers.extend(auth);
    Some(OwnCall { method: Method::GET, url, headers, body: Bytes::new() })
}

/// A base may already end in the API version.
fn versionless(base: &str) -> &str {
    base.strip_suffix("/v1").unwrap_or(base)
}

/// A base is a host, a host with `/models`, or a template with `{model}`; the version may be in it.
fn google_models(base: &str) -> String {
    let base = base.split_once("/models").map_or(base, |(front, _)| front);
    match base.ends_with("/v1beta") || base.ends_with("/v1") {
        true => format!("{base}/models?pageSize=1"),
        false => format!("{base}/v1beta/models?pageSize=1"),
    }
}

fn key(credential: &Credential) -> Option<&SecretString> {
    match &credential.secret {
        Secret::ApiKey(key) => Some(key),
        Secret::OAuth { .. } | Secret::Aws { .. } => None,
    }
}

fn access(credential: &Credential) -> Option<&SecretString> {
    match &credential.secret {
        Secret::OAuth { access, .. } => Some(access),
        Secret::ApiKey(_) | Secret::Aws { .. } => None,
    }
}

fn bearer(secret: &SecretString) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some((header::AUTHORIZATION, value))
}

fn sensitive(name: &'static str, secret: &SecretString) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_str(secret.expose_secret()).ok()?;
    value.set_sensitive(true);
    Some((HeaderName::from_static(name), value))
}

#[cfg(test)]
mod tests {
    use super::super::oauth::{OAuthConfig, USER_AGENT};
    use super::*;

    const NOW: Timestamp = Timestamp(1_760_000_000_000);

    fn config(account_url: &str) -> OAuthConfig {
        OAuthConfig {
            authorize_url: String::new(),
            token_url: String::new(),
            client_id: String::new(),
            client_secret: None,
            redirect_uri: String::new(),
            scopes: Vec::new(),
            account_url: account_url.to_owned(),
        }
    }

    fn book() -> OAuthBook {
        OAuthBook {
            user_agent: USER_AGENT.to_owned(),
            claude_official: config("https://claude.example/usage"),
            codex: config("https://codex.example/usage"),
            gemini: config(""),
            droid: config("https://droid.example/org"),
        }
    }

    fn credential(kind: AccountKind) -> Credential {
        let secret = match kind.is_oauth() {
            true => Secret::OAuth { access: "at-1".into(), refresh: None },
            false => Secret::ApiKey("k-1".into()),
        };
        Credential { secret, expires_at: None, version: 1 }
    }

    fn account(kind: AccountKind, base: &str, options: &[(&str, &str)]) -> AccountSpec {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let base_url = Some(base.to_owned()).filter(|base| !base.is_empty());
        AccountSpec { kind, base_url, options, ..actors::testing::spec(1) }
    }

    #[test]
    fn each_kind_has_its_cheapest_call() {
        use AccountKind as K;
        for (kind, base, options, expected) in [
            (K::ClaudeOfficial, "", vec![], "GET https://claude.example/usage"),
            (K::ClaudeOfficial, "http://m/", vec![], "GET http://m/api/oauth/usage"),
            (K::ClaudeConsole, "", vec![], "POST https://api.anthropic.com/v1/messages/count_tokens"),
            (K::OpenAi, "", vec![], "GET https://api.openai.com/v1/models"),
            (K::OpenAiResponses, "https://r.example/v1/", vec![], "GET https://r.example/v1/models"),
            (K::GeminiApi, "", vec![], "GET https://generativelanguage.googleapis.com/v1beta/models?pageSize=1"),
            (K::GeminiApi, "http://m/v1beta/models", vec![], "GET http://m/v1beta/models?pageSize=1"),
            (K::GeminiApi, "http://m/models/{model}:{action}", vec![], "GET http://m/v1beta/models?pageSize=1"),
            (
                K::AzureOpenAi,
                "https://openai-x.openai.azure.com",
                vec![],
                "GET https://openai-x.openai.azure.com/openai/models?api-version=2024-10-21",
            ),
            (K::AzureOpenAi, "http://m/openai/v1", vec![("api_surface", "v1")], "GET http://m/openai/v1/models"),
            (K::Codex, "", vec![], "GET https://codex.example/usage"),
            (K::Codex, "http://m/backend-api/codex", vec![], "GET http://m/backend-api/wham/usage"),
            (K::Gemini, "", vec![], "POST https://cloudcode-pa.googleapis.com/v1internal:loadCodeAssist"),
            (K::Droid, "", vec![], "GET https://droid.example/org"),
        ] {
            let call = request(&book(), &account(kind, base, &options), &credential(kind), NOW).unwrap();
            assert_eq!(format!("{} {}", call.method, call.url), expected);
            assert!(call.headers.iter().any(|(_, value)| value.is_sensitive()), "{expected}");
        }
        for (kind, base) in [(K::AzureOpenAi, ""), (K::Droid, "http://m")] {
            assert!(request(&book(), &account(kind, base, &[]), &credential(kind), NOW).is_none(), "{kind:?}");
        }
    }

    #[test]
    fn an_answer_accepts_refuses_or_says_nothing() {
        let answer = |kind, status, word: &str, error: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(error) = error {
                headers.insert(HeaderName::from_static("x-amzn-errortype"), HeaderValue::from_static(error));
            }
            read(kind, &OwnAnswer { status, headers, body: Bytes::copy_from_slice(word.as_bytes()) }).ok()
        };
        use AccountKind as K;
        assert_eq!(answer(K::OpenAi, 200, "", None), Some(true));
        assert_eq!(answer(K::OpenAi, 404, "", None), Some(true), "a relay without a list of models");
        assert_eq!(answer(K::OpenAi, 401, "", None), Some(false));
        assert_eq!(answer(K::OpenAi, 503, "", None), None);
        assert_eq!(answer(K::GeminiApi, 400, r#"{"reason":"API_KEY_INVALID"}"#, None), Some(false));
        assert_eq!(answer(K::Bedrock, 403, "", Some("UnrecognizedClientException")), Some(false));
        assert_eq!(answer(K::Bedrock, 403, "", Some("AccessDeniedException:http://x")), None);
    }
}
