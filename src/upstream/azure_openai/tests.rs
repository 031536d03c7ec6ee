//! Azure: addresses by deployment and by resource, its key, its body edit and its errors.

use actix_http::Method;
use actors::domain::account::AccountKind;
use actors::domain::route::Endpoint;
use actors::domain::verdict::Verdict;
use actors::domain::window::Scope;

use crate::dialect::Dialect;
use crate::upstream::PrepareError;
use crate::upstream::openai_api::sample::{Call, NOW, account, headers, judge, key, oauth, sent};

const AZURE: AccountKind = AccountKind::AzureOpenAi;
const BODY: &str = r#"{"model": "gpt-5","messages":[]}"#;

fn url(client: Dialect, endpoint: Endpoint, tail: &'static str, base: &str, options: &[(&str, &str)]) -> String {
    let call = Call { tail, ..Call::new(client, endpoint, BODY) };
    call.send(&account(AZURE, base, options), &key()).unwrap().url
}

#[test]
fn the_chat_family_lives_below_a_deployment() {
    for (endpoint, tail, expected) in [
        (Endpoint::Generate, "", "chat/completions"),
        (Endpoint::Embed, "", "embeddings"),
        (Endpoint::Image, "/images/generations", "images/generations"),
        (Endpoint::Image, "/openai/deployments/d/images/generations", "images/generations"),
        (Endpoint::Audio, "/audio/speech", "audio/speech"),
    ] {
        let url = url(Dialect::Chat, endpoint, tail, "https://r.test/", &[("deployment", "d 1")]);
        assert_eq!(url, format!("https://r.test/openai/deployments/d%201/{expected}?api-version=2024-10-21"));
    }
    let options = [("api_version", "2025-01-01-preview"), ("api_surface", "v1")];
    assert_eq!(
        url(Dialect::Anthropic, Endpoint::Generate, "/messages", "https://r.test/openai/", &options),
        "https://r.test/openai/deployments/gpt-5/chat/completions?api-version=2025-01-01-preview"
    );
}

#[test]
fn responses_live_below_the_resource() {
    let at =
        |endpoint, tail, options: &[(&str, &str)]| url(Dialect::Responses, endpoint, tail, "https://r.test", options);
    assert_eq!(
        at(Endpoint::Generate, "/responses", &[]),
        "https://r.test/openai/responses?api-version=2025-04-01-preview"
    );
    assert_eq!(
        at(Endpoint::Generate, "", &[("responses_api_version", "preview")]),
        "https://r.test/openai/responses?api-version=preview"
    );
    assert_eq!(at(Endpoint::Generate, "", &[("api_surface", "v1")]), "https://r.test/openai/v1/responses");
    assert_eq!(
        at(Endpoint::Stored, "/responses/resp_1/cancel", &[("api_surface", "v1")]),
        "https://r.test/openai/v1/responses/resp_1/cancel"
    );
    let mut stored = Call::new(Dialect::Responses, Endpoint::Stored, "");
    (stored.method, stored.tail, stored.model) = (Method::GET, "/responses/resp_1", "");
    stored.query = Some("include[]=x&api-version=theirs&key=SECRET");
    let outbound = stored.send(&account(AZURE, "https://r.test", &[]), &key()).unwrap();
    assert_eq!(
        (outbound.method, outbound.url.as_str()),
        (Method::GET, "https://r.test/openai/responses/resp_1?api-version=2025-04-01-preview&include[]=x")
    );
}

#[test]
fn what_azure_lacks_is_refused() {
    for endpoint in [Endpoint::Compact, Endpoint::Complete, Endpoint::CountTokens, Endpoint::Assist] {
        let call = Call::new(Dialect::Chat, endpoint, BODY);
        let refused = call.send(&account(AZURE, "https://r.test", &[]), &key()).unwrap_err();
        assert_eq!(refused, PrepareError::Unsupported, "{endpoint:?}");
    }
    let call = Call::new(Dialect::Chat, Endpoint::Generate, BODY);
    for (base, options, expected) in [
        ("", vec![], PrepareError::BadBaseUrl),
        ("https://r.test?x", vec![], PrepareError::BadBaseUrl),
        ("https://r.test", vec![("deployment", "..")], PrepareError::BadOption),
        ("https://r.test", vec![("deployment", "a/b")], PrepareError::BadOption),
    ] {
        assert_eq!(call.send(&account(AZURE, base, &options), &key()).unwrap_err(), expected, "{base} {options:?}");
    }
    assert_eq!(call.send(&account(AZURE, "https://r.test", &[]), &oauth()).unwrap_err(), PrepareError::BadCredential);
}

#[test]
fn the_key_has_a_header_of_its_own() {
    let mut call = Call::new(Dialect::Chat, Endpoint::Generate, BODY);
    call.headers = headers(&[("api-key", "cr_CLIENT"), ("authorization", "Bearer cr_CLIENT"), ("user-agent", "a/1")]);
    let outbound = call.send(&account(AZURE, "https://r.test", &[]), &key()).unwrap();
    assert_eq!(sent(&outbound, "api-key"), ["sk-SECRET"]);
    assert_eq!(sent(&outbound, "authorization"), [""; 0]);
    assert_eq!(sent(&outbound, "user-agent"), ["a/1"]);
    assert_eq!(sent(&outbound, "accept-encoding"), ["identity"]);
}

#[test]
fn only_responses_name_the_deployment_in_the_body() {
    let account = account(AZURE, "https://r.test", &[("deployment", "main")]);
    let edited = |client| {
        let outbound = Call::new(client, Endpoint::Generate, BODY).send(&account, &key()).unwrap();
        (String::from_utf8(outbound.body.to_vec()).unwrap(), outbound.edits)
    };
    assert_eq!(edited(Dialect::Chat), (BODY.to_owned(), vec![]));
    assert_eq!(edited(Dialect::Responses), (BODY.replace("gpt-5", "main"), vec!["azure.model_to_deployment"]));
}

#[test]
fn usage_is_asked_for_where_the_version_has_it() {
    let body = r#"{"model":"gpt-5","stream":true}"#;
    for (version, client, edits) in [
        ("2024-10-21", Dialect::Chat, vec!["chat.include_usage"]),
        ("2024-02-01", Dialect::Chat, vec![]),
        ("2024-10-21", Dialect::Responses, vec![]),
    ] {
        let account = account(AZURE, "https://r.test", &[("api_version", version)]);
        let call = Call { stream: true, ..Call::new(client, Endpoint::Generate, body) };
        assert_eq!(call.send(&account, &key()).unwrap().edits, edits, "{version} {client:?}");
    }
}

#[test]
fn azures_own_words_are_understood() {
    let account = account(AZURE, "https://r.test", &[]);
    let fault = |code: &str, message: &str| format!(r#"{{"error":{{"code":"{code}","message":"{message}"}}}}"#);
    for (status, body, expected) in [
        (401, fault("401", "Access denied due to invalid subscription key"), Verdict::AuthInvalid),
        (400, fault("content_filter", "filtered"), Verdict::Client),
        (404, fault("404", "Resource not found"), Verdict::Client),
        (429, fault("429", "Requests have exceeded call rate limit"), Verdict::RateLimitedUnknown),
        (403, fault("403", "Traffic is not from an approved private endpoint"), Verdict::Forbidden),
        (500, fault("InternalServerError", "x"), Verdict::Server),
        (408, fault("Timeout", "The operation was timeout."), Verdict::Timeout),
    ] {
        assert_eq!(judge(&account, status, &[], &body).verdict, expected, "{status} {body}");
    }
    let gone = judge(&account, 404, &[], &fault("DeploymentNotFound", "The API deployment does not exist"));
    assert_eq!((gone.verdict, gone.scope), (Verdict::ModelUnknown, Scope::Model("gpt-5".into())));
    let limited = judge(&account, 429, &[("retry-after-ms", "1500"), ("retry-after", "2")], &fault("429", "x"));
    assert_eq!((limited.verdict, limited.until), (Verdict::RateLimited, Some(NOW.plus(1_500))));
}
