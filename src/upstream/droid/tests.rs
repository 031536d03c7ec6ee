//! Factory: paths by dialect, credentials, the routing value, and what touches the account.

use actors::domain::account::AccountKind;
use actors::domain::route::Endpoint;
use actors::domain::verdict::Verdict;

use super::provider;
use crate::dialect::{Dialect, Surface};
use crate::upstream::PrepareError;
use crate::upstream::openai_api::sample::{Call, account, headers, judge, key, oauth, sent};

const DROID: AccountKind = AccountKind::Droid;
const BODY: &str = r#"{"model": "gpt-5","messages":[]}"#;

#[test]
fn every_dialect_has_its_path() {
    for (base, root) in [
        ("", "https://api.factory.ai/api/llm"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/api/llm"),
        ("https://h/llm/", "https://h/llm"),
    ] {
        for (client, path) in [
            (Dialect::Anthropic, "/a/v1/messages"),
            (Dialect::Gemini, "/a/v1/messages"),
            (Dialect::Chat, "/o/v1/chat/completions"),
            (Dialect::Responses, "/o/v1/responses"),
        ] {
            let outbound =
                Call::new(client, Endpoint::Generate, BODY).send(&account(DROID, base, &[]), &key()).unwrap();
            assert_eq!(outbound.url, format!("{root}{path}"));
        }
    }
    let count = Call::new(Dialect::Anthropic, Endpoint::CountTokens, BODY).send(&account(DROID, "", &[]), &key());
    assert_eq!(count.unwrap_err(), PrepareError::Unsupported);
}

#[test]
fn tokens_and_keys_are_bearers_and_the_client_names_itself() {
    let account = account(DROID, "", &[]);
    for client in [Dialect::Anthropic, Dialect::Chat, Dialect::Responses] {
        let mut call = Call::new(client, Endpoint::Generate, BODY);
        let bare = call.send(&account, &key()).unwrap();
        assert_eq!(sent(&bare, "authorization"), ["Bearer sk-SECRET"]);
        for invented in ["x-session-id", "x-factory-client", "user-agent"] {
            assert_eq!(sent(&bare, invented), [""; 0], "{invented}");
        }
        call.headers = headers(&[
            ("authorization", "Bearer cr_CLIENT"),
            ("x-session-id", "s1"),
            ("x-factory-client", "cli"),
            ("x-api-provider", "theirs"),
            ("user-agent", "droid/1"),
        ]);
        let full = call.send(&account, &oauth()).unwrap();
        assert_eq!(sent(&full, "authorization"), ["Bearer at-SECRET"]);
        assert_eq!(sent(&full, "x-session-id"), ["s1"]);
        assert_eq!(sent(&full, "x-factory-client"), ["cli"]);
        assert_eq!(sent(&full, "user-agent"), ["droid/1"]);
        assert_eq!(sent(&full, "x-api-provider").len(), 1);
        assert_ne!(sent(&full, "x-api-provider"), ["theirs"]);
        let versions = usize::from(client == Dialect::Anthropic);
        assert_eq!(sent(&full, "anthropic-version").len(), versions);
        assert_eq!(full.body.as_ptr(), call.body.as_ptr());
    }
}

#[test]
fn a_translated_call_names_quotalane() {
    let mut call = Call::new(Dialect::Gemini, Endpoint::Generate, BODY);
    call.translated = true;
    call.headers = headers(&[("user-agent", "gemini/1"), ("x-session-id", "s")]);
    let outbound = call.send(&account(DROID, "", &[]), &key()).unwrap();
    assert!(sent(&outbound, "user-agent")[0].starts_with("QuotaLane/"));
    assert_eq!(sent(&outbound, "x-session-id"), [""; 0]);
    assert_eq!(sent(&outbound, "anthropic-version"), ["2023-06-01"]);
}

#[test]
fn the_provider_follows_path_and_model() {
    let plain = account(DROID, "", &[]);
    for (dialect, model, expected) in [
        (Dialect::Anthropic, "claude-sonnet-4-5", "anthropic"),
        (Dialect::Responses, "gpt-5.1-codex-max", "openai"),
        (Dialect::Responses, "gpt-5", "azure_openai"),
        (Dialect::Chat, "gemini-3-pro", "google"),
        (Dialect::Chat, "claude-haiku-4-5", "anthropic"),
        (Dialect::Chat, "gpt-5", "azure_openai"),
        (Dialect::Chat, "o3-mini", "azure_openai"),
        (Dialect::Chat, "glm-4.6", "fireworks"),
        (Dialect::Chat, "kimi-k2", "baseten"),
        (Dialect::Chat, "opal-1", "fireworks"),
    ] {
        assert_eq!(provider::of(model, &plain, dialect), expected, "{dialect:?} {model}");
    }
    let options = [
        ("api_provider.glm", "baseten"),
        ("api_provider.glm-4.6", "fireworks-eu"),
        ("api_provider.openai", "openai"),
        ("api_provider.", "never"),
    ];
    let own = account(DROID, "", &options);
    assert_eq!(provider::of("glm-4.5", &own, Dialect::Chat), "baseten");
    assert_eq!(provider::of("GLM-4.6", &own, Dialect::Chat), "fireworks-eu");
    assert_eq!(provider::of("gpt-5", &own, Dialect::Responses), "openai");
    assert_eq!(provider::of("claude-opus-5", &own, Dialect::Anthropic), "anthropic");
}

#[test]
fn only_a_refused_credential_touches_it() {
    let account = account(DROID, "", &[]);
    for (status, expected) in [
        (400, Verdict::Client),
        (404, Verdict::Client),
        (413, Verdict::Client),
        (401, Verdict::AuthExpired),
        (429, Verdict::RateLimitedUnknown),
        (502, Verdict::Server),
    ] {
        assert_eq!(judge(&account, status, &[], r#"{"detail":"x"}"#).verdict, expected, "{status}");
    }
}

#[test]
fn the_clients_dialect_is_kept_where_there_is_a_path_for_it() {
    for (client, expected) in [
        (Dialect::Anthropic, Dialect::Anthropic),
        (Dialect::Chat, Dialect::Chat),
        (Dialect::Responses, Dialect::Responses),
        (Dialect::Gemini, Dialect::Anthropic),
    ] {
        assert_eq!((super::ADAPTER.surface)(client), Surface::plain(expected));
    }
}
