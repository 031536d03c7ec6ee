//! The Chat family: paths, credentials, and bodies that stay as they are.

use actors::domain::account::AccountKind;
use actors::domain::route::Endpoint;

use crate::dialect::{Dialect, Surface};
use crate::upstream::PrepareError;
use crate::upstream::openai_api::sample::{Call, account, headers, key, oauth, sent};

const BODY: &str = r#"{ "model":"gpt-5",  "messages":[], "temperature":1.0 }"#;

fn call(endpoint: Endpoint, tail: &'static str) -> Call {
    Call { tail, ..Call::new(Dialect::Chat, endpoint, BODY) }
}

#[test]
fn every_endpoint_has_its_path() {
    let account = account(AccountKind::OpenAi, "", &[]);
    for (endpoint, tail, expected) in [
        (Endpoint::Generate, "/messages", Ok("https://api.openai.com/v1/chat/completions")),
        (Endpoint::Complete, "", Ok("https://api.openai.com/v1/completions")),
        (Endpoint::Embed, "", Ok("https://api.openai.com/v1/embeddings")),
        (Endpoint::Image, "/images/edits", Ok("https://api.openai.com/v1/images/edits")),
        (Endpoint::Audio, "//audio//speech", Ok("https://api.openai.com/v1/audio/speech")),
        (Endpoint::Audio, "/audio/../files", Err(PrepareError::Unsupported)),
        (Endpoint::Image, "/files", Err(PrepareError::Unsupported)),
        (Endpoint::CountTokens, "", Err(PrepareError::Unsupported)),
        (Endpoint::Compact, "", Err(PrepareError::Unsupported)),
        (Endpoint::Stored, "/responses/r", Err(PrepareError::Unsupported)),
        (Endpoint::Assist, "", Err(PrepareError::Unsupported)),
    ] {
        let url = call(endpoint, tail).send(&account, &key()).map(|outbound| outbound.url);
        assert_eq!(url, expected.map(str::to_owned), "{endpoint:?} {tail}");
    }
}

#[test]
fn the_query_goes_along_without_credentials_unless_it_is_another_dialects() {
    let account = account(AccountKind::OpenAi, "https://h/v1/", &[]);
    let mut call = Call { query: Some("a=1&key=SECRET"), ..call(Endpoint::Generate, "") };
    assert_eq!(call.send(&account, &key()).unwrap().url, "https://h/v1/chat/completions?a=1");
    call.translated = true;
    assert_eq!(call.send(&account, &key()).unwrap().url, "https://h/v1/chat/completions");
}

#[test]
fn the_key_is_the_bearer_and_the_owner_is_the_accounts() {
    let account = account(AccountKind::OpenAi, "", &[("organization", "org-1"), ("project", "proj-1")]);
    let mut call = call(Endpoint::Generate, "");
    call.headers = headers(&[
        ("authorization", "Bearer cr_CLIENT"),
        ("openai-organization", "org-CLIENT"),
        ("openai-project", "proj-CLIENT"),
    ]);
    let outbound = call.send(&account, &key()).unwrap();
    assert_eq!(sent(&outbound, "authorization"), ["Bearer sk-SECRET"]);
    assert_eq!(sent(&outbound, "openai-organization"), ["org-1"]);
    assert_eq!(sent(&outbound, "openai-project"), ["proj-1"]);
    assert!(!format!("{outbound:?}").contains("SECRET"));
    assert_eq!(call.send(&account, &oauth()).unwrap_err(), PrepareError::BadCredential);
}

#[test]
fn an_option_that_is_no_header_is_refused() {
    let account = account(AccountKind::OpenAi, "", &[("organization", "a\nb")]);
    assert_eq!(call(Endpoint::Generate, "").send(&account, &key()).unwrap_err(), PrepareError::BadOption);
}

#[test]
fn a_body_without_edits_is_the_clients_own() {
    let account = account(AccountKind::OpenAi, "", &[]);
    let call = call(Endpoint::Generate, "");
    let outbound = call.send(&account, &key()).unwrap();
    assert_eq!(outbound.body.as_ptr(), call.body.as_ptr(), "shared, not copied");
    assert_eq!(outbound.edits, [""; 0]);
}

#[test]
fn a_mapped_model_is_the_only_change() {
    let mut account = account(AccountKind::OpenAi, "", &[]);
    account.model_map.insert("gpt-5".to_owned(), "vendor/gpt".to_owned());
    let outbound = call(Endpoint::Embed, "").send(&account, &key()).unwrap();
    assert_eq!(outbound.body, BODY.replace("gpt-5", "vendor/gpt"));
    assert_eq!(outbound.edits, ["model.map"]);
}

#[test]
fn usage_is_asked_for_in_a_stream_that_does_not() {
    let asking = r#"{"model":"gpt-5","stream":true,"stream_options":{"include_usage":true}}"#;
    let silent = r#"{"model":"gpt-5","stream":true}"#;
    let plain = r#"{"model":"gpt-5"}"#;
    for (endpoint, body, options, expected, edits) in [
        (Endpoint::Generate, silent, vec![], asking, vec!["chat.include_usage"]),
        (Endpoint::Complete, silent, vec![], asking, vec!["chat.include_usage"]),
        (Endpoint::Generate, asking, vec![], asking, vec![]),
        (Endpoint::Generate, plain, vec![], plain, vec![]),
        (Endpoint::Audio, silent, vec![], silent, vec![]),
        (Endpoint::Generate, silent, vec![("edits_off", "x, chat.include_usage")], silent, vec![]),
    ] {
        let account = account(AccountKind::OpenAi, "", &options);
        let stream = body != plain;
        let call = Call { tail: "/audio/speech", stream, ..Call::new(Dialect::Chat, endpoint, body) };
        let outbound = call.send(&account, &key()).unwrap();
        assert_eq!((outbound.body.as_ref(), outbound.edits), (expected.as_bytes(), edits), "{endpoint:?} {body}");
    }
    let mut account = account(AccountKind::OpenAi, "", &[]);
    account.model_map.insert("gpt-5".to_owned(), "m".to_owned());
    let call = Call { stream: true, ..Call::new(Dialect::Chat, Endpoint::Generate, silent) };
    let outbound = call.send(&account, &key()).unwrap();
    assert_eq!(outbound.body, asking.replace("gpt-5", "m"));
    assert_eq!(outbound.edits, ["model.map", "chat.include_usage"]);
}

#[test]
fn a_body_that_is_no_json_passes() {
    let account = account(AccountKind::OpenAi, "", &[]);
    let mut call = Call::new(Dialect::Chat, Endpoint::Image, "--b\r\ncontent-disposition: form-data\r\n");
    (call.tail, call.headers) = ("/images/edits", headers(&[("content-type", "multipart/form-data; boundary=b")]));
    let outbound = call.send(&account, &key()).unwrap();
    assert_eq!(outbound.body, call.body);
    assert_eq!(sent(&outbound, "content-type"), ["multipart/form-data; boundary=b"]);
}

#[test]
fn everybody_is_answered_in_chat() {
    for client in [Dialect::Anthropic, Dialect::Chat, Dialect::Responses, Dialect::Gemini] {
        assert_eq!((super::ADAPTER.surface)(client), Surface::plain(Dialect::Chat));
    }
}
