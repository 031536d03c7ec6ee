//! The Responses family: paths and methods of what is stored too, and bodies that stay as they are.

use actix_http::Method;
use actors::domain::account::AccountKind;
use actors::domain::route::Endpoint;

use crate::dialect::Dialect;
use crate::upstream::PrepareError;
use crate::upstream::openai_api::sample::{Call, account, key, sent};

const BODY: &str = r#"{"input":"hi", "model":"gpt-5","stream":null}"#;

#[test]
fn every_endpoint_has_its_path_and_method() {
    let account = account(AccountKind::OpenAiResponses, "https://h/v1", &[]);
    for (endpoint, method, tail, query, expected) in [
        (Endpoint::Generate, Method::POST, "/responses", None, Ok("https://h/v1/responses")),
        (Endpoint::Compact, Method::POST, "/responses/compact", None, Ok("https://h/v1/responses/compact")),
        (
            Endpoint::Stored,
            Method::GET,
            "/responses/resp_1/input_items",
            Some("limit=2"),
            Ok("https://h/v1/responses/resp_1/input_items?limit=2"),
        ),
        (Endpoint::Stored, Method::DELETE, "/responses/resp_1", None, Ok("https://h/v1/responses/resp_1")),
        (Endpoint::Stored, Method::POST, "/responses/resp_1/cancel", None, Ok("https://h/v1/responses/resp_1/cancel")),
        (Endpoint::Stored, Method::GET, "/responses/../models", None, Err(PrepareError::Unsupported)),
        (Endpoint::Stored, Method::GET, "/models", None, Err(PrepareError::Unsupported)),
        (Endpoint::Embed, Method::POST, "", None, Err(PrepareError::Unsupported)),
        (Endpoint::CountTokens, Method::POST, "", None, Err(PrepareError::Unsupported)),
    ] {
        let call = Call { method, tail, query, ..Call::new(Dialect::Responses, endpoint, BODY) };
        let sent = call.send(&account, &key()).map(|outbound| (outbound.method, outbound.url));
        assert_eq!(sent, expected.map(|url| (call.method.clone(), url.to_owned())), "{tail}");
    }
}

#[test]
fn nothing_is_added_to_a_body() {
    let account = account(AccountKind::OpenAiResponses, "", &[]);
    for stream in [false, true] {
        let call = Call { stream, ..Call::new(Dialect::Responses, Endpoint::Generate, BODY) };
        let outbound = call.send(&account, &key()).unwrap();
        assert_eq!((outbound.body.as_ptr(), outbound.edits.len()), (call.body.as_ptr(), 0));
        assert_eq!(sent(&outbound, "authorization"), ["Bearer sk-SECRET"]);
        assert_eq!(outbound.url, "https://api.openai.com/v1/responses");
    }
}
