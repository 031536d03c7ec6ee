//! Requests to Bedrock and what its answers mean.

use actors::domain::account::AccountKind;
use actors::domain::credential::{Credential, Secret};
use actors::domain::model::Family;
use actors::domain::verdict::{Judgement, Verdict};
use actors::domain::window::Scope;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;
use crate::upstream::sample::{self, Call, NOW, account, names, sent};

const PLAIN: Surface = Surface::plain(Dialect::Anthropic);
const INVOKE: Surface = Surface { dialect: Dialect::Anthropic, wire: Wire::Bedrock };
const CONVERSE: Surface = Surface { dialect: Dialect::Converse, wire: Wire::Bedrock };
const SONNET: &str = "claude-sonnet-4-5-20250929";

fn keys(token: Option<&str>) -> Credential {
    sample::credential(Secret::Aws {
        access_key_id: SecretString::from("AKIDEXAMPLE"),
        secret_access_key: SecretString::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        session_token: token.map(SecretString::from),
    })
}

fn bearer() -> Credential {
    sample::credential(Secret::ApiKey(SecretString::from("bedrock-SECRET")))
}

fn bedrock(options: &[(&str, &str)]) -> AccountSpec {
    account(AccountKind::Bedrock, "", options)
}

fn url_of(account: &AccountSpec, model: &'static str) -> String {
    Call::new(PLAIN, Endpoint::Generate, model, "{}").send(account, &bearer()).unwrap().url
}

fn body_of(call: &Call, account: &AccountSpec) -> Value {
    serde_json::from_slice(&call.send(account, &bearer()).unwrap().body).unwrap()
}

/// The signatures were computed with Python's `hashlib` and `hmac` from the description of Signature Version 4 alone: the
/// canonical request with the path `/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%253A0/…`, its string to sign, the
/// four derived keys.
#[test]
fn a_request_is_signed_as_computed_by_hand() {
    let account = bedrock(&[("region", "eu-west-1")]);
    let mut call = Call::new(PLAIN, Endpoint::Generate, SONNET, r#"{"max_tokens":64}"#);
    let out = call.send(&account, &keys(None)).unwrap();
    assert_eq!(
        out.url,
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke"
    );
    assert_eq!(out.body, &br#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":64}"#[..]);
    assert_eq!(sent(&out, "x-amz-date"), "20251009T085320Z");
    assert_eq!(sent(&out, "x-amz-content-sha256"), "c0609749d71127dd645900bda530acde4da1783bc2ad11027b64d14953fb9fdb");
    assert_eq!(
        sent(&out, "authorization"),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20251009/eu-west-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, Signature=1a41b596cb9e0372b2b91538707b8689d943c8dbc77dd0940de98ab30867e61e"
    );
    call.stream = true;
    let out = call.send(&account, &keys(Some("TOKEN/+="))).unwrap();
    assert!(out.url.ends_with("%3A0/invoke-with-response-stream"));
    assert_eq!(sent(&out, "x-amz-security-token"), "TOKEN/+=");
    assert_eq!(
        sent(&out, "authorization"),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20251009/eu-west-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=699469b06757cced148f99c5d9647b889be6a32df221d29db7f1e33a665bb713"
    );
    assert!(out.headers.iter().filter(|(name, _)| name == "authorization").all(|(_, value)| value.is_sensitive()));
}

#[test]
fn the_host_of_a_signature_is_the_one_that_is_called() {
    let mut account = account(AccountKind::Bedrock, "http://127.0.0.1:8080/", &[("region", "eu-west-1")]);
    account.model_map.insert(SONNET.to_owned(), "m:0".to_owned());
    let call = Call::new(PLAIN, Endpoint::Generate, SONNET, r#"{"max_tokens":64}"#);
    let out = call.send(&account, &keys(None)).unwrap();
    assert_eq!(out.url, "http://127.0.0.1:8080/model/m%3A0/invoke");
    let signature = "a87977bdf5fe04dedd9ac70977818d057ab91b8dd74f19fe7afbc500c758ea34";
    assert!(sent(&out, "authorization").ends_with(signature));
}

#[test]
fn a_bearer_key_is_not_signed() {
    let call = Call::new(PLAIN, Endpoint::Generate, SONNET, "{}");
    let out = call.send(&bedrock(&[]), &bearer()).unwrap();
    assert_eq!(sent(&out, "authorization"), "Bearer bedrock-SECRET");
    assert_eq!(names(&out), ["accept", "accept-encoding", "authorization", "content-type"]);
    let oauth = Secret::OAuth { access: SecretString::from("a"), refresh: None };
    assert_eq!(call.send(&bedrock(&[]), &sample::credential(oauth)).unwrap_err(), PrepareError::BadCredential);
}

#[test]
fn the_region_decides_host_and_profile() {
    for (region, host, prefix) in [
        ("", "bedrock-runtime.us-east-1.amazonaws.com", "us."),
        ("us-west-2", "bedrock-runtime.us-west-2.amazonaws.com", "us."),
        ("us-gov-west-1", "bedrock-runtime.us-gov-west-1.amazonaws.com", "us-gov."),
        ("eu-central-1", "bedrock-runtime.eu-central-1.amazonaws.com", "eu."),
        ("ap-northeast-1", "bedrock-runtime.ap-northeast-1.amazonaws.com", "jp."),
        ("ap-southeast-2", "bedrock-runtime.ap-southeast-2.amazonaws.com", "au."),
        ("ap-south-1", "bedrock-runtime.ap-south-1.amazonaws.com", "apac."),
        ("ca-central-1", "bedrock-runtime.ca-central-1.amazonaws.com", "ca."),
        ("sa-east-1", "bedrock-runtime.sa-east-1.amazonaws.com", "sa."),
        ("me-south-1", "bedrock-runtime.me-south-1.amazonaws.com", ""),
        ("cn-north-1", "bedrock-runtime.cn-north-1.amazonaws.com.cn", ""),
    ] {
        let url = url_of(&bedrock(&[("region", region)]), "claude-opus-4-6");
        assert_eq!(url, format!("https://{host}/model/{prefix}anthropic.claude-opus-4-6-v1/invoke"), "{region}");
    }
    let call = Call::new(PLAIN, Endpoint::Generate, SONNET, "{}");
    for region in ["EU-west-1", "eu.evil.test/", "a b"] {
        assert_eq!(call.send(&bedrock(&[("region", region)]), &bearer()).unwrap_err(), PrepareError::BadOption);
    }
}

#[test]
fn options_choose_profile_and_region() {
    let model = |options: &[(&str, &str)], model: &'static str| url_of(&bedrock(options), model);
    assert!(
        model(&[("profile_prefix", "global")], "claude-opus-5-5").contains("/model/global.anthropic.claude-opus-5-5/")
    );
    assert!(model(&[("profile_prefix", "none")], "claude-opus-5-5").contains("/model/anthropic.claude-opus-5-5/"));
    let small = [("region", "eu-west-1"), ("small_model_region", "us-west-2")];
    assert!(model(&small, "claude-haiku-5-5").starts_with("https://bedrock-runtime.us-west-2.amazonaws.com/model/us."));
    assert!(model(&small, "claude-sonnet-5").starts_with("https://bedrock-runtime.eu-west-1.amazonaws.com/model/eu."));
}

#[test]
fn a_model_is_mapped_or_goes_as_it_is() {
    let mut account = bedrock(&[("region", "eu-west-1")]);
    account
        .model_map
        .insert("claude-opus-5".to_owned(), "arn:aws:bedrock:eu-west-1:1:application-inference-profile/abc".to_owned());
    for (requested, path) in [
        ("claude-opus-5", "arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Aapplication-inference-profile%2Fabc"),
        ("claude-sonnet-4-5[1m]", "eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0"),
        ("us.anthropic.claude-opus-5-5", "us.anthropic.claude-opus-5-5"),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-sonnet-4-5-20250929-v1%3A0"),
        ("claude-nonesuch", "claude-nonesuch"),
        ("../x", "..%2Fx"),
    ] {
        assert!(url_of(&account, requested).ends_with(&format!("/model/{path}/invoke")), "{requested}");
    }
}

#[test]
fn a_client_of_the_bedrock_wire_passes_through() {
    let body = r#"{ "anthropic_version": "2026-10-21","anthropic_beta":["x"], "max_tokens":1}"#;
    for (client, stream, action) in [
        (INVOKE, false, "invoke"),
        (INVOKE, true, "invoke-with-response-stream"),
        (CONVERSE, false, "converse"),
        (CONVERSE, true, "converse-stream"),
    ] {
        let mut call = Call::new(client, Endpoint::Generate, "us.m:0", body);
        call.stream = stream;
        call.headers = sample::headers(&[
            ("user-agent", "boto3"),
            ("accept", "application/json"),
            ("anthropic-beta", "claude-code-20250219"),
            ("anthropic-workspace-id", "canary"),
            ("x-amzn-bedrock-trace", "ENABLED"),
            ("x-amz-date", "canary"),
            ("authorization", "canary"),
            ("amz-sdk-request", "canary"),
            ("x-claude-code-session-id", "canary"),
        ]);
        let out = call.send(&bedrock(&[]), &bearer()).unwrap();
        assert!(out.url.ends_with(&format!("/model/us.m%3A0/{action}")), "{}", out.url);
        assert_eq!((out.body.as_ptr(), out.body.len()), (call.body.as_ptr(), call.body.len()), "shared, not copied");
        assert!(out.edits.is_empty());
        let expected = [
            "accept",
            "accept-encoding",
            "anthropic-beta",
            "authorization",
            "content-type",
            "user-agent",
            "x-amzn-bedrock-trace",
        ];
        assert_eq!(names(&out), expected);
        assert!(out.headers.iter().all(|(_, value)| value != "canary"));
    }
}

#[test]
fn a_client_of_the_plain_dialect_is_put_into_the_envelope() {
    let body = r#"{"model":"claude-opus-5-5","stream":true,"max_tokens":1,"context_management":{"edits":[]},
        "messages":[{"role":"system","content":"x","output_config":{"effort":"low"}}],"output_config":{"effort":"low"}}"#;
    let mut call = Call::new(PLAIN, Endpoint::Generate, "claude-opus-5-5", body);
    call.query = Some("beta=true");
    call.headers = sample::headers(&[
        ("user-agent", "claude-cli/2.1.329 (external, sdk-cli)"),
        ("accept", "text/event-stream"),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27"),
        ("anthropic-beta", "per-turn-control-2026-07-01, advanced-tool-use-2025-11-20,tool-search-tool-2025-10-19"),
    ]);
    let out = call.send(&bedrock(&[]), &bearer()).unwrap();
    assert_eq!(out.edits, ["bedrock.envelope"]);
    assert!(!out.url.contains('?'));
    assert_eq!(names(&out), ["accept", "accept-encoding", "authorization", "content-type", "user-agent"]);
    assert_eq!(sent(&out, "accept"), "application/json");
    let expected = json!({
        "anthropic_version": "bedrock-2023-05-31",
        "anthropic_beta": ["interleaved-thinking-2025-05-14", "context-management-2025-06-27", "tool-search-tool-2025-10-19"],
        "max_tokens": 1, "context_management": {"edits": []}, "output_config": {"effort": "low"},
        "messages": [{"role": "system", "content": "x"}],
    });
    assert_eq!(serde_json::from_slice::<Value>(&out.body).unwrap(), expected);
}

#[test]
fn the_list_of_betas_is_the_operators() {
    let mut call =
        Call::new(PLAIN, Endpoint::Generate, SONNET, r#"{"max_tokens":1,"context_management":{},"speed":"fast"}"#);
    call.headers = sample::headers(&[("anthropic-beta", "context-management-2025-06-27,fast-mode-2026-02-01")]);
    let own = bedrock(&[("accepted_betas", " fast-mode-2026-02-01 ,")]);
    let base = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1});
    let with = |more: Value| {
        let mut expected = base.clone();
        expected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        expected
    };
    assert_eq!(body_of(&call, &own), with(json!({"anthropic_beta": ["fast-mode-2026-02-01"], "speed": "fast"})));
    assert_eq!(
        body_of(&call, &bedrock(&[])),
        with(json!({"anthropic_beta": ["context-management-2025-06-27"], "context_management": {}}))
    );
    call.headers = sample::headers(&[("anthropic-beta", "context-management-2025-06-27,compact-2026-01-12")]);
    let compact = bedrock(&[("accepted_betas", "compact-2026-01-12")]);
    let kept = with(json!({"anthropic_beta": ["compact-2026-01-12"], "context_management": {}, "speed": "fast"}));
    assert_eq!(body_of(&call, &compact), kept, "a field that another sent beta unlocks stays");
    call.translated = true;
    assert_eq!(body_of(&call, &bedrock(&[])), with(json!({"context_management": {}, "speed": "fast"})));
}

#[test]
fn a_count_is_asked_in_the_vendors_form() {
    let call = Call::new(PLAIN, Endpoint::CountTokens, SONNET, r#"{"model":"m","messages":[]}"#);
    let out = call.send(&bedrock(&[]), &bearer()).unwrap();
    assert!(out.url.ends_with("/count-tokens"));
    let body: Value = serde_json::from_slice(&out.body).unwrap();
    let inner = body["input"]["invokeModel"]["body"].as_str().unwrap();
    use base64::Engine as _;
    let inner = base64::engine::general_purpose::STANDARD.decode(inner).unwrap();
    assert_eq!(inner, br#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":4096,"messages":[]}"#);
    let own = Call::new(INVOKE, Endpoint::CountTokens, SONNET, r#"{"input":{}}"#).send(&bedrock(&[]), &bearer());
    assert_eq!(own.unwrap().body, &br#"{"input":{}}"#[..]);
    let embed = Call::new(INVOKE, Endpoint::Embed, SONNET, "{}").send(&bedrock(&[]), &bearer());
    assert_eq!(embed.unwrap_err(), PrepareError::Unsupported);
}

fn model() -> Scope {
    Scope::Model(SONNET.into())
}

fn family() -> Scope {
    Scope::Family(Family("sonnet".into()))
}

#[test]
fn every_exception_has_its_verdict() {
    for (status, name, message, verdict, scope) in [
        (429, "ThrottlingException", "Too many requests", Verdict::RateLimitedUnknown, family()),
        (503, "ServiceUnavailableException:http://internal.amazon.com/", "", Verdict::Unavailable, Scope::All),
        (429, "ModelNotReadyException", "", Verdict::Overloaded, model()),
        (408, "ModelTimeoutException", "", Verdict::Timeout, model()),
        (424, "ModelErrorException", "", Verdict::Server, model()),
        (500, "InternalServerException", "", Verdict::Server, Scope::All),
        (403, "AccessDeniedException", "You don't have access to the model", Verdict::Forbidden, model()),
        (403, "AccessDeniedException", "Please make sure your API Key is valid.", Verdict::AuthInvalid, Scope::All),
        (404, "ResourceNotFoundException", "end of its life", Verdict::ModelUnknown, model()),
        (400, "ValidationException", "messages: at least one message is required", Verdict::Client, Scope::All),
        (400, "ValidationException", "… with on-demand throughput isn’t supported.", Verdict::ModelUnknown, model()),
        (400, "ValidationException", "The provided model identifier is invalid.", Verdict::ModelUnknown, model()),
        (400, "ValidationException", "Invalid `signature` in `thinking` block", Verdict::ThinkingSignature, Scope::All),
        (403, "UnrecognizedClientException", "The security token is invalid", Verdict::AuthInvalid, Scope::All),
        (403, "InvalidSignatureException", "", Verdict::AuthInvalid, Scope::All),
        (400, "ServiceQuotaExceededException", "", Verdict::QuotaExhausted, model()),
        (400, "", "The provided model identifier is invalid.", Verdict::ModelUnknown, model()),
        (413, "", "", Verdict::Client, Scope::All),
        (502, "", "", Verdict::Server, Scope::All),
    ] {
        let body = json!({ "message": message }).to_string();
        let judged = sample::judge(&bedrock(&[]), SONNET, status, &[("x-amzn-errortype", name)], &body);
        assert_eq!(judged, Judgement { scope, ..Judgement::of(verdict) }, "{status} {name} {message}");
    }
}

#[test]
fn a_stated_wait_makes_a_limit() {
    let lines = [("x-amzn-errortype", "ThrottlingException"), ("retry-after", "7")];
    let judged = sample::judge(&bedrock(&[]), SONNET, 429, &lines, "{}");
    assert_eq!((judged.verdict, judged.until), (Verdict::RateLimited, Some(NOW.plus(7_000))));
    let in_body = r#"{"__type":"com.amazon.coral.service#ThrottlingException","message":"x"}"#;
    assert_eq!(sample::judge(&bedrock(&[]), SONNET, 400, &[], in_body).verdict, Verdict::RateLimitedUnknown);
}

#[test]
fn other_answers_are_judged_by_the_shared_rules() {
    let stream = [("content-type", "application/vnd.amazon.eventstream")];
    assert_eq!(sample::judge(&bedrock(&[]), SONNET, 200, &stream, "").verdict, Verdict::Ok);
    let html = [("content-type", "text/html")];
    assert_eq!(sample::judge(&bedrock(&[]), SONNET, 403, &html, "<html>").verdict, Verdict::Challenge);
}

#[test]
fn exceptions_in_a_stream_are_known_by_their_small_letter() {
    for (kind, message, verdict, scope) in [
        ("throttlingException", "", Verdict::RateLimitedUnknown, family()),
        ("modelStreamErrorException", "", Verdict::Server, model()),
        ("serviceUnavailableException", "", Verdict::Unavailable, Scope::All),
        ("internalServerException", "", Verdict::Server, Scope::All),
        ("validationException", "bad", Verdict::Client, Scope::All),
        ("overloaded_error", "Overloaded", Verdict::Overloaded, Scope::All),
    ] {
        let judged = sample::judge_embedded(&bedrock(&[]), SONNET, kind, message);
        assert_eq!(judged, Judgement { scope, embedded: true, ..Judgement::of(verdict) }, "{kind}");
    }
}

#[test]
fn only_the_type_of_an_error_comes_back() {
    let answer = sample::headers(&[
        ("content-type", "application/json"),
        ("x-amzn-errortype", "ThrottlingException"),
        ("x-amzn-requestid", "canary"),
        ("x-amzn-bedrock-input-token-count", "canary"),
        ("date", "canary"),
    ]);
    let back = headers::response(&answer, true);
    assert_eq!(back.len(), 2);
    assert!(back.iter().all(|(_, value)| value != "canary"));
}
