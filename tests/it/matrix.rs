//! Every client on every kind of account: what is asked arrives, what is answered comes back, the row knows both.

use actors::domain::account::AccountKind;
use actors::domain::usage::RequestStatus;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::client::{Answer, Call};
use crate::support::mock::WITNESS;
use crate::support::pools::{Pools, Way, model, pairs};
use crate::support::speech::{Prompt, Said, TOOL, Tongue};

/// What the program says of itself when it speaks for itself.
const AGENT: &str = concat!("QuotaLane/", env!("CARGO_PKG_VERSION"));

/// Checks what every answer and its row must be.
async fn check(pools: &Pools, tongue: Tongue, kind: AccountKind, prompt: &Prompt, answer: &Answer) -> Said {
    let what = format!("{tongue:?} on {} stream {}", kind.as_str(), prompt.stream);
    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    let said = tongue.read(answer);
    let (row, attempts) = pools.app.row(answer).await;
    assert_eq!((row.status, row.http_status, row.stream), (RequestStatus::Ok, 200, prompt.stream), "{what}");
    assert_eq!((row.kind, row.account), (Some(kind), Some(pools.account(kind))), "{what}");
    assert_eq!((row.dialect.as_str(), row.route), (tongue.dialect(), tongue.route(prompt.stream)), "{what}");
    assert_eq!((row.attempts, attempts.len(), attempts[0].verdict.as_str()), (1, 1, "ok"), "{what}");
    let (context, output) = said.usage.unwrap_or_else(|| panic!("{what}: no usage: {}", answer.text()));
    assert_eq!((row.usage.tokens.context(), row.usage.tokens.output), (context, output), "{what}");
    assert!(!row.usage.estimated, "{what}");
    said
}

#[actix_rt::test]
async fn plain_words_go_from_every_client_to_every_kind_and_back() {
    let pools = Pools::start().await;
    for (tongue, kind, _) in pairs() {
        for stream in [false, true] {
            let prompt = Prompt::plain(&model(tongue, kind), stream);
            let answer = pools.app.ask(tongue, pools.key(kind), &prompt).await;
            let said = check(&pools, tongue, kind, &prompt, &answer).await;
            let what = format!("{tongue:?} on {} stream {stream}: {said:?}", kind.as_str());
            assert!(said.text.starts_with("Hello from the mock upstream.") && said.ended(tongue.form, false), "{what}");
            assert!(said.text.ends_with(prompt.canary()) && said.tools.is_empty(), "{what}");
        }
    }
    pools.app.finish().await;
}

#[actix_rt::test]
async fn a_tool_is_called_and_its_result_understood_from_every_client_on_every_kind() {
    let pools = Pools::start().await;
    for (tongue, kind, _) in pairs() {
        for stream in [false, true] {
            let what = format!("{tongue:?} on {} stream {stream}", kind.as_str());
            let prompt = Prompt::with_tool(&model(tongue, kind), stream);
            let answer = pools.app.ask(tongue, pools.key(kind), &prompt).await;
            let said = check(&pools, tongue, kind, &prompt, &answer).await;
            assert!(said.ended(tongue.form, true) && said.text == "I will use a tool.", "{what}: {said:?}");
            let [(id, name, arguments)] = said.tools.as_slice() else { panic!("{what}: {said:?}") };
            assert_eq!((name.as_str(), arguments), (TOOL, &json!({"word": "example"})), "{what}");
            let next = prompt.tool_said(id, "sunny-42");
            let answer = pools.app.ask(tongue, pools.key(kind), &next).await;
            let said = check(&pools, tongue, kind, &next, &answer).await;
            assert!(said.ended(tongue.form, false), "{what}: {said:?}");
            assert_eq!(said.text, "The tool said: sunny-42", "{what}");
        }
    }
    pools.app.finish().await;
}

/// Headers of a client that no other vendor is to see.
fn with_canaries(call: Call) -> Call {
    [
        "anthropic-beta",
        "x-claude-code-session-id",
        "x-stainless-lang",
        "x-app",
        "openai-beta",
        "session-id",
        "originator",
        "x-goog-api-client",
        "x-goog-request-params",
        "x-session-id",
        "accept-language",
        "x-whatever",
        "cookie",
        "x-forwarded-for",
    ]
    .into_iter()
    .fold(call, |call, name| call.header(name, "canary-header"))
    .header("user-agent", "canary-agent/1.0")
}

#[actix_rt::test]
async fn nothing_of_the_client_but_its_words_goes_along_with_a_translated_request() {
    let pools = Pools::start().await;
    for (tongue, kind, way) in pairs() {
        for stream in [false, true] {
            let prompt = Prompt::plain(&model(tongue, kind), stream);
            let answer = pools.app.send(&with_canaries(tongue.call(pools.key(kind), &prompt))).await;
            let what = format!("{tongue:?} on {} stream {stream}", kind.as_str());
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
            let call = pools.app.mock.last_attempt().await;
            let headers = format!("{:?}", call.headers);
            assert!(!headers.contains(&pools.key(kind).raw), "{what}: {headers}");
            assert!(call.header("cookie").is_none() && call.header("x-forwarded-for").is_none(), "{what}: {headers}");
            if way == Way::Translated {
                assert!(!headers.contains("canary"), "{what}: {headers}");
                assert_eq!(call.header("user-agent"), Some(AGENT), "{what}");
            } else {
                assert_eq!(call.header("user-agent"), Some("canary-agent/1.0"), "{what}");
            }
        }
    }
    pools.app.finish().await;
}

#[actix_rt::test]
async fn what_needs_no_translation_comes_back_byte_for_byte() {
    let pools = Pools::start().await;
    let vendor = pools.app.mock.0;
    for (tongue, kind, _) in pairs().filter(|(.., way)| *way == Way::Bytes) {
        // Codex only streams; for a client that does not, its stream is made one answer.
        for stream in [false, true].into_iter().filter(|stream| *stream || kind != AccountKind::Codex) {
            let prompt = Prompt::plain(&model(tongue, kind), stream);
            let key = pools.key(kind);
            // The account's own call, made once more, is what the vendor answers.
            pools.app.ask(tongue, key, &prompt).await;
            let made = pools.app.mock.last_attempt().await;
            let recorded = recorded(vendor, tongue, &made.path, made.query.as_deref(), &prompt).await;
            let kind_of_body = recorded.header("content-type").unwrap().to_owned();
            for chunk in [Some(1), Some(7), None] {
                let body = STANDARD.encode(&recorded.body);
                pools.app.mock.replay(json!({"content_type": kind_of_body, "chunk": chunk, "body_b64": body})).await;
                let answer = pools.app.ask(tongue, key, &prompt).await;
                let what = format!("{tongue:?} on {} stream {stream} chunks {chunk:?}", kind.as_str());
                check(&pools, tongue, kind, &prompt, &answer).await;
                assert!(answer.body == recorded.body, "{what}: {}\nnot {}", answer.text(), recorded.text());
            }
            pools.app.mock.stop_replay().await;
        }
    }
    pools.app.finish().await;
}

/// What the mock answers to the same call without the relay.
async fn recorded(
    vendor: std::net::SocketAddr,
    tongue: Tongue,
    path: &str,
    query: Option<&str>,
    prompt: &Prompt,
) -> Answer {
    let target = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut body = prompt.body(tongue.form);
    if path.starts_with("/backend-api/") {
        body["instructions"] = json!("");
    }
    let call = Call::post(&target, body.to_string()).header("api-key", WITNESS);
    let bedrock = path.starts_with("/model/");
    let call = if bedrock || path.contains("v1internal") || path.starts_with("/backend-api/") {
        call.header("authorization", &format!("Bearer {WITNESS}"))
    } else {
        call.key(WITNESS)
    };
    let answer = call.send(vendor).await;
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    answer
}
