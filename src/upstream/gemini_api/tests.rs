//! Requests to the Gemini API.

use actors::domain::account::AccountKind;
use actors::domain::route::Endpoint;
use secrecy::SecretString;

use super::*;
use crate::upstream::sample::{self, Call, account, names, sent};

const GEMINI: Surface = Surface::plain(Dialect::Gemini);
const CHAT: Surface = Surface::plain(Dialect::Chat);

fn secret() -> Credential {
    sample::credential(Secret::ApiKey(SecretString::from("AIza-SECRET")))
}

fn url_of(base: &str, change: impl FnOnce(&mut Call)) -> Result<String, PrepareError> {
    let mut call = Call::new(GEMINI, Endpoint::Generate, "gemini-2.5-pro", "{}");
    change(&mut call);
    call.send(&account(AccountKind::GeminiApi, base, &[]), &secret()).map(|out| out.url)
}

#[test]
fn every_form_of_base_gives_one_path() {
    let rest = "gemini-2.5-pro:generateContent";
    for (base, expected) in [
        ("", format!("https://generativelanguage.googleapis.com/v1beta/models/{rest}")),
        ("https://h", format!("https://h/v1beta/models/{rest}")),
        ("https://h/", format!("https://h/v1beta/models/{rest}")),
        ("https://h/relay//", format!("https://h/relay/v1beta/models/{rest}")),
        ("https://h/v1", format!("https://h/v1/models/{rest}")),
        ("https://h/v1beta/", format!("https://h/v1beta/models/{rest}")),
        ("https://h/v1/models", format!("https://h/v1/models/{rest}")),
        ("https://h/models/", format!("https://h/models/{rest}")),
        ("https://h/x/{model}/{action}", "https://h/x/gemini-2.5-pro/generateContent".to_owned()),
        ("https://h/x/{model}", format!("https://h/x/{rest}")),
        ("https://h/{model}:{action}?v=2&key=SECRET", format!("https://h/{rest}?v=2")),
    ] {
        assert_eq!(url_of(base, |_| {}), Ok(expected), "{base}");
    }
    for base in ["h", "ftp://h", "https://u:p@h", "https://h/../x", "https://h/?a=1", "https://h/../{model}"] {
        assert_eq!(url_of(base, |_| {}), Err(PrepareError::BadBaseUrl), "{base}");
    }
}

#[test]
fn the_action_follows_the_endpoint() {
    let action = |endpoint: Endpoint, stream: bool, tail: &'static str| {
        let url = url_of("https://h", |call| (call.endpoint, call.stream, call.tail) = (endpoint, stream, tail));
        url.map(|url| url.rsplit_once(':').unwrap().1.to_owned())
    };
    let ok = |text: &str| Ok(text.to_owned());
    assert_eq!(action(Endpoint::Generate, false, ""), ok("generateContent"));
    assert_eq!(action(Endpoint::Generate, true, ""), ok("streamGenerateContent?alt=sse"));
    assert_eq!(action(Endpoint::CountTokens, false, ""), ok("countTokens"));
    assert_eq!(action(Endpoint::Embed, false, "/models/m:embedContent"), ok("embedContent"));
    assert_eq!(action(Endpoint::Embed, false, "/models/m:batchEmbedContents"), ok("batchEmbedContents"));
    assert_eq!(action(Endpoint::Embed, false, "/embeddings"), ok("batchEmbedContents"));
    assert_eq!(action(Endpoint::Assist, false, ":loadCodeAssist"), Err(PrepareError::Unsupported));
    assert_eq!(action(Endpoint::Image, false, ""), Err(PrepareError::Unsupported));
}

#[test]
fn the_clients_version_and_query_are_kept_without_credentials() {
    let url = |change: fn(&mut Call)| url_of("https://h", change).unwrap();
    let of_v1 = |call: &mut Call| call.tail = "/v1/models/gemini-2.5-pro:generateContent";
    assert!(url(of_v1).starts_with("https://h/v1/models/"));
    assert!(url(|call| call.tail = "/v1beta/models/x:y").starts_with("https://h/v1beta/models/"));
    assert!(url(|call| call.tail = "/models/x:y").starts_with("https://h/v1beta/models/"));
    assert!(url(|call| (call.tail, call.client) = ("/v1/chat/completions", CHAT)).starts_with("https://h/v1beta/"));
    let query = "alt=json&key=SECRET&prettyPrint=false&access_token=SECRET";
    for (stream, expected) in [(false, "?prettyPrint=false"), (true, "?prettyPrint=false&alt=sse")] {
        let url = url_of("https://h", |call| (call.query, call.stream) = (Some(query), stream)).unwrap();
        assert!(url.ends_with(&format!("Content{expected}")), "{url}");
    }
    assert!(!url(|call| (call.query, call.client) = (Some("beta=true"), CHAT)).contains('?'));
}

#[test]
fn the_key_goes_in_a_header_and_nothing_else_about_the_client() {
    let mut call = Call::new(GEMINI, Endpoint::Generate, "m", r#"{ "contents":[] }"#);
    call.headers = sample::headers(&[
        ("user-agent", "GeminiCLI-tui/0.61.0"),
        ("x-goog-api-client", "google-genai-sdk/1.30.0"),
        ("x-goog-api-key", "canary"),
        ("authorization", "canary"),
        ("x-goog-user-project", "canary"),
        ("accept", "*/*"),
        ("accept-language", "canary"),
        ("cookie", "canary"),
        ("connection", "x-goog-request-params"),
        ("x-goog-request-params", "canary"),
    ]);
    let out = call.send(&account(AccountKind::GeminiApi, "", &[]), &secret()).unwrap();
    let expected = ["accept", "accept-encoding", "content-type", "user-agent", "x-goog-api-client", "x-goog-api-key"];
    assert_eq!(names(&out), expected);
    assert_eq!(sent(&out, "x-goog-api-key"), "AIza-SECRET");
    assert_eq!(out.body.as_ptr(), call.body.as_ptr(), "shared, not copied");
    assert!(out.edits.is_empty() && !out.url.contains("SECRET"));
    call.translated = true;
    let out = call.send(&account(AccountKind::GeminiApi, "", &[]), &secret()).unwrap();
    assert!(sent(&out, "user-agent").starts_with("QuotaLane/"));
    assert_eq!(names(&out), ["accept", "accept-encoding", "content-type", "user-agent", "x-goog-api-key"]);
    let oauth = Secret::OAuth { access: SecretString::from("a"), refresh: None };
    let account = account(AccountKind::GeminiApi, "", &[]);
    assert_eq!(call.send(&account, &sample::credential(oauth)).unwrap_err(), PrepareError::BadCredential);
}

#[test]
fn a_mapped_model_is_mapped_everywhere() {
    let mut account = account(AccountKind::GeminiApi, "https://h", &[]);
    account.model_map.insert("embed".to_owned(), "gemini-embedding-001".to_owned());
    let body = r#"{"requests":[{"model":"models/embed","content":{}}]}"#;
    let out = Call::new(GEMINI, Endpoint::Embed, "embed", body).send(&account, &secret()).unwrap();
    assert_eq!(out.url, "https://h/v1beta/models/gemini-embedding-001:batchEmbedContents");
    assert_eq!(out.body, &br#"{"requests":[{"model":"models/gemini-embedding-001","content":{}}]}"#[..]);
    assert_eq!(out.edits, ["model.map"]);
    let plain = Call::new(GEMINI, Endpoint::Generate, "embed", "{}").send(&account, &secret()).unwrap();
    assert!(plain.edits.is_empty() && plain.url.contains("/gemini-embedding-001:"));
    let odd = Call::new(GEMINI, Endpoint::Generate, "models/a/b", "{}").send(&account, &secret()).unwrap();
    assert!(odd.url.ends_with("/models/a%2Fb:generateContent"));
}
