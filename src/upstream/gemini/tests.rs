//! Requests to Code Assist.

use actix_http::Method;
use actors::domain::account::AccountKind;
use actors::domain::route::Endpoint;
use secrecy::SecretString;

use super::*;
use crate::upstream::sample::{self, Call, account, names, sent};

const OWN: Surface = Surface { dialect: Dialect::Gemini, wire: Wire::CodeAssist };
const PLAIN: Surface = Surface::plain(Dialect::Gemini);
const HOST: &str = "https://cloudcode-pa.googleapis.com";

fn secret() -> Credential {
    sample::credential(Secret::OAuth { access: SecretString::from("ya29-SECRET"), refresh: None })
}

fn with_project() -> AccountSpec {
    account(AccountKind::Gemini, "", &[("project_id", "own-project")])
}

fn send(client: Surface, endpoint: Endpoint, body: &'static str, account: &AccountSpec) -> Outbound {
    Call::new(client, endpoint, "gemini-2.5-pro", body).send(account, &secret()).unwrap()
}

fn assist(method: Method, tail: &'static str, query: Option<&'static str>) -> Result<String, PrepareError> {
    let mut call = Call::new(OWN, Endpoint::Assist, "", "");
    (call.method, call.tail, call.query) = (method, tail, query);
    call.send(&with_project(), &secret()).map(|out| out.url)
}

#[test]
fn every_method_stands_behind_one_path() {
    let account = with_project();
    let mut call = Call::new(PLAIN, Endpoint::Generate, "m", "{}");
    call.query = Some("key=SECRET");
    assert_eq!(call.send(&account, &secret()).unwrap().url, format!("{HOST}/v1internal:generateContent"));
    call.stream = true;
    let streaming = call.send(&account, &secret()).unwrap().url;
    assert_eq!(streaming, format!("{HOST}/v1internal:streamGenerateContent?alt=sse"));
    call.endpoint = Endpoint::CountTokens;
    assert_eq!(call.send(&account, &secret()).unwrap().url, format!("{HOST}/v1internal:countTokens"));
    call.endpoint = Endpoint::Embed;
    assert_eq!(call.send(&account, &secret()).unwrap_err(), PrepareError::Unsupported);
    for base in ["http://127.0.0.1:9", "http://127.0.0.1:9/", "http://127.0.0.1:9/v1internal"] {
        let account = super::super::sample::account(AccountKind::Gemini, base, &[]);
        let url = send(PLAIN, Endpoint::Generate, "{}", &account).url;
        assert_eq!(url, "http://127.0.0.1:9/v1internal:generateContent", "{base}");
    }
}

#[test]
fn verbs_and_operations_are_found_in_the_path() {
    let ok = |rest: &str| Ok(format!("{HOST}/v1internal{rest}"));
    for tail in [":loadCodeAssist", "/v1internal:loadCodeAssist", "/models/m:loadCodeAssist"] {
        assert_eq!(assist(Method::POST, tail, None), ok(":loadCodeAssist"), "{tail}");
    }
    let query = Some("alt=json&key=SECRET&access_token=SECRET");
    assert_eq!(
        assist(Method::GET, ":getCodeAssistGlobalUserSetting", query),
        ok(":getCodeAssistGlobalUserSetting?alt=json")
    );
    assert_eq!(assist(Method::GET, "/v1internal/operations/ab-1", None), ok("/operations/ab-1"));
    assert_eq!(assist(Method::GET, "/operations/ab-1", None), ok("/operations/ab-1"));
    for (method, tail) in [
        (Method::POST, ":deleteEverything"),
        (Method::POST, "/operations/x"),
        (Method::GET, ""),
        (Method::GET, "/operations/../x"),
        (Method::GET, "/operations/%2e%2e/x"),
    ] {
        assert_eq!(assist(method, tail, None), Err(PrepareError::Unsupported), "{tail}");
    }
}

#[test]
fn a_plain_body_is_wrapped_and_stays_itself() {
    let body = r#"{ "contents":[ {"parts":[]} ],"generationConfig":{"temperature":1.0}}"#;
    let out = send(PLAIN, Endpoint::Generate, body, &with_project());
    let expected = format!(r#"{{"model":"gemini-2.5-pro","project":"own-project","request":{body}}}"#);
    assert_eq!((out.body, out.edits), (bytes::Bytes::from(expected), vec!["codeassist.envelope"]));
    let out = send(PLAIN, Endpoint::Generate, "{}", &account(AccountKind::Gemini, "", &[]));
    assert_eq!(out.body, &br#"{"model":"gemini-2.5-pro","request":{}}"#[..]);
}

#[test]
fn a_count_is_asked_in_the_vendors_form() {
    let expected = &br#"{"request":{"model":"models/gemini-2.5-pro","contents":[ 1.0 ]}}"#[..];
    for body in [r#"{"contents":[ 1.0 ],"x":1}"#, r#"{"generateContentRequest":{"model":"m","contents":[ 1.0 ]}}"#] {
        assert_eq!(send(PLAIN, Endpoint::CountTokens, body, &with_project()).body, expected);
    }
}

#[test]
fn the_clients_project_is_replaced_by_the_accounts() {
    for (endpoint, body, expected, edits) in [
        (
            Endpoint::Generate,
            r#"{"model":"m", "project":"theirs","request":{"project":"x"}}"#,
            r#"{"model":"m", "project":"own-project","request":{"project":"x"}}"#,
            vec!["codeassist.project"],
        ),
        (
            Endpoint::Generate,
            r#"{"model":"m","request":{}}"#,
            r#"{"project":"own-project","model":"m","request":{}}"#,
            vec!["codeassist.project"],
        ),
        (
            Endpoint::Assist,
            r#"{"cloudaicompanionProject":"theirs","metadata":{}}"#,
            r#"{"cloudaicompanionProject":"own-project","metadata":{}}"#,
            vec!["codeassist.project"],
        ),
        (Endpoint::Assist, r#"{"metadata":{}}"#, r#"{"metadata":{}}"#, vec![]),
        (Endpoint::Generate, r#"{"project":"own-project"}"#, r#"{"project":"own-project"}"#, vec![]),
    ] {
        let mut call = Call::new(OWN, endpoint, "gemini-2.5-pro", body);
        call.tail = ":loadCodeAssist";
        let out = call.send(&with_project(), &secret()).unwrap();
        assert_eq!((&out.body[..], out.edits), (expected.as_bytes(), edits), "{body}");
    }
    let out =
        send(OWN, Endpoint::Generate, r#"{"model":"m","project":"theirs"}"#, &account(AccountKind::Gemini, "", &[]));
    assert_eq!((&out.body[..], out.edits), (&br#"{"model":"m"}"#[..], vec!["codeassist.project"]), "it is not theirs");
}

#[test]
fn a_mapped_model_is_renamed_in_the_envelope() {
    let mut account = with_project();
    account.model_map.insert("gemini-2.5-pro".to_owned(), "gemini-3-pro".to_owned());
    let body = r#"{"project":"theirs","model":"gemini-2.5-pro","request":{}}"#;
    let out = send(OWN, Endpoint::Generate, body, &account);
    assert_eq!(out.body, &br#"{"project":"own-project","model":"gemini-3-pro","request":{}}"#[..]);
    assert_eq!(out.edits, ["model.map", "codeassist.project"]);
    let count = r#"{"request":{"model":"models/gemini-2.5-pro","contents":[]}}"#;
    let out = send(OWN, Endpoint::CountTokens, count, &account);
    assert_eq!(out.body, &br#"{"request":{"model":"models/gemini-3-pro","contents":[]}}"#[..]);
}

#[test]
fn the_token_is_a_bearer() {
    let out = send(OWN, Endpoint::Generate, "{}", &with_project());
    assert_eq!(sent(&out, "authorization"), "Bearer ya29-SECRET");
    assert_eq!(names(&out), ["accept-encoding", "authorization", "content-type"]);
    let key = sample::credential(Secret::ApiKey(SecretString::from("k")));
    let call = Call::new(OWN, Endpoint::Generate, "m", "{}");
    assert_eq!(call.send(&with_project(), &key).unwrap_err(), PrepareError::BadCredential);
}
