//! Every recorded answer of the vendor, through the relay in chunks of 1, 7 and 997 bytes and whole: the same bytes for the
//! client, the vendor's own usage in the row.

use std::collections::HashMap;
use std::io::Read;

use actors::domain::usage::{RequestStatus, Tokens};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::app::{TestApp, ask_model, spawn_app};
use crate::support::setup::TestKey;
use crate::support::sse::Stream;

struct Recorded {
    id: String,
    status: u16,
    content_type: String,
    stream: bool,
    body: Vec<u8>,
    /// What the official SDK reads as usage.
    usage: Option<Value>,
}

fn recorded() -> Vec<Recorded> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/corpus");
    let expected = std::fs::read_to_string(format!("{folder}/anthropic.expected.jsonl")).unwrap();
    let expected: HashMap<String, Value> = expected
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| (line["id"].as_str().unwrap().to_owned(), line["usage"].clone()))
        .collect();
    let packed = std::fs::File::open(format!("{folder}/anthropic.jsonl.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let read = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let id = line["id"].as_str().unwrap().to_owned();
        Recorded {
            status: u16::try_from(line["status"].as_u64().unwrap()).unwrap(),
            content_type: line["content_type"].as_str().unwrap().to_owned(),
            stream: line["stream"].as_bool().unwrap(),
            body: STANDARD.decode(line["body_b64"].as_str().unwrap()).unwrap(),
            usage: expected.get(&id).cloned(),
            id,
        }
    };
    text.lines().map(read).collect()
}

/// The SDK's usage object as disjoint counts. Writes of no stated life count as five-minute ones.
fn tokens(usage: &Value) -> Tokens {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let written = count(&usage["cache_creation_input_tokens"]);
    let hour = count(&usage["cache_creation"]["ephemeral_1h_input_tokens"]);
    Tokens {
        input: count(&usage["input_tokens"]),
        cache_read: count(&usage["cache_read_input_tokens"]),
        cache_w5m: written.saturating_sub(hour),
        cache_w1h: hour.min(written),
        output: count(&usage["output_tokens"]),
        ..Tokens::default()
    }
}

async fn replay(app: &TestApp, key: &TestKey, answer: &Recorded, chunk: Option<usize>) {
    app.mock
        .replay(json!({"status": answer.status, "content_type": answer.content_type, "chunk": chunk,
            "body_b64": STANDARD.encode(&answer.body)}))
        .await;
    let what = format!("{} in chunks of {chunk:?}", answer.id);
    let got = app.messages(key, &ask_model("claude-sonnet-4-5", answer.stream)).await;
    let (row, attempts) = app.row(&got).await;
    if answer.status != 200 {
        // What concerns our own credential is not shown; what the client did wrong comes back as it was.
        let ours = matches!(answer.status, 401..=403) || answer.status == 429 || answer.status >= 500;
        assert_eq!(got.status == answer.status && got.body == answer.body, !ours, "{what}: {}", got.text());
        assert!(!ours || matches!(got.status, 429 | 502 | 503 | 529), "{what}: {}", got.status);
        assert_eq!((row.cost.charge.0, attempts.len()), (0, 1), "{what}");
        return;
    }
    let Some(usage) = &answer.usage else {
        // The SDK reads no message out of it; then neither do we call it a success of the vendor's.
        assert!(got.status != 200 || row.status != RequestStatus::Ok || got.body == answer.body, "{what}");
        return;
    };
    assert_eq!((got.status, got.complete), (200, true), "{what}: {}", got.text());
    assert!(got.body == answer.body, "{what}: other bytes");
    assert_eq!(row.status, RequestStatus::Ok, "{what}");
    if answer.stream {
        assert_eq!(Stream::read(&got.body), Stream::read(&answer.body));
    }
    let (expected, recorded) = (tokens(usage), attempts[0].usage.as_ref().unwrap());
    let comparable = |t: &Tokens| (t.input, t.cache_read, t.cache_w5m, t.cache_w1h, t.output);
    // What several models did for one answer is priced part by part; `tests/golden` holds those sums.
    let several = recorded.parts.len() > 1;
    assert!(several || comparable(&recorded.tokens) == comparable(&expected), "{what}: {recorded:?} is not {usage}");
}

#[actix_rt::test]
async fn every_recorded_answer_goes_through_byte_for_byte_and_is_counted_as_the_vendor_did() {
    let app = spawn_app().await;
    let id = app.account("a", |a| a.max_concurrency = 0).await;
    let key = app.key(|_| {}).await;
    for answer in recorded() {
        for chunk in [Some(1), Some(7), Some(997), None] {
            replay(&app, &key, &answer, chunk).await;
            // An error of the vendor's is tested for its bytes here, not for what it does to the account.
            if answer.status != 200 || answer.usage.is_none() {
                app.app().engine.accounts.reset(id, true);
                app.app().engine.accounts.tested(id, true);
            }
        }
    }
    app.mock.stop_replay().await;
    app.finish().await;
}
