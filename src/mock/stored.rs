//! Stored Responses: what was answered can be read, continued, cancelled and deleted by its id.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::dialect::Dialect;
use super::generate::{generate, numbers};
use super::reply::{Body, Mark, Reply};
use super::responses::{self, output, response, usage};
use super::state::{Call, Mock, locked};
use super::turn::SIGNATURE;
use super::wire::Request;

/// Responses kept; the oldest go first.
const CAP: usize = 1_000;

/// Kept responses: who asked, id, input, answer.
#[derive(Debug, Default)]
pub(super) struct Stored(VecDeque<Kept>);

#[derive(Debug)]
struct Kept {
    credential: String,
    id: String,
    input: Value,
    answer: Value,
}

impl Stored {
    fn keep(&mut self, kept: Kept) {
        if self.0.len() >= CAP {
            self.0.pop_front();
        }
        self.0.push_back(kept);
    }

    /// Only whoever asked finds it: ids belong to one account.
    fn find(&self, credential: &str, id: &str) -> Option<&Kept> {
        self.0.iter().find(|kept| kept.id == id && kept.credential == credential)
    }

    fn remove(&mut self, credential: &str, id: &str) {
        self.0.retain(|kept| !(kept.id == id && kept.credential == credential));
    }
}

/// `POST /v1/responses`.
pub(super) fn create(mock: &Mock, call: &Call, request: &Request) -> Reply {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    if let Some(previous) = body["previous_response_id"].as_str()
        && locked(&mock.stored).find(&call.credential, previous).is_none()
    {
        let message = format!("Previous response with id '{previous}' not found.");
        let mut error = Dialect::Responses.error_body(400, &message);
        error["error"]["code"] = Value::from("previous_response_not_found");
        return Reply::json(400, error.to_string());
    }
    generate(mock, call, request, responses::read, |turn, ask| {
        if body["store"] != false {
            let answer = response(turn, "completed", output(turn));
            let credential = call.credential.clone();
            let kept = Kept { credential, id: responses::id(turn), input: body["input"].clone(), answer };
            locked(&mock.stored).keep(kept);
        }
        responses::word(turn, ask, Dialect::Responses)
    })
}

/// `POST /v1/responses/compact`.
pub(super) fn compact(mock: &Mock, call: &Call) -> Reply {
    if !mock.is_authorized(call) {
        return call.dialect.unauthorized();
    }
    let used = numbers(call.dialect, call.number);
    let item = json!({"id": format!("cmp_mock_{}", call.number), "type": "compaction", "encrypted_content": SIGNATURE});
    let body = json!({"id": format!("resp_mock_{}", call.number), "object": "response.compaction",
        "created_at": mock.now_ms() / 1000, "output": [item], "usage": usage(used)});
    let mut reply = Reply::new(200, "application/json", Body::Whole(body.to_string().into(), Mark::Final(used)));
    reply.headers.extend(mock.limit_headers(call));
    reply
}

/// `GET` and `DELETE /v1/responses/{id}`, `POST …/cancel`, `GET …/input_items`; `tail` is what follows `/v1/responses/`.
pub(super) fn by_id(mock: &Mock, call: &Call, method: &str, tail: &str) -> Reply {
    if !mock.is_authorized(call) {
        return call.dialect.unauthorized();
    }
    let (id, verb) = tail.split_once('/').unwrap_or((tail, ""));
    let mut stored = locked(&mock.stored);
    let Some(kept) = stored.find(&call.credential, id) else {
        return call.dialect.error(404, &format!("Response with id '{id}' not found."));
    };
    let answer = match (method, verb) {
        ("GET", "") => kept.answer.clone(),
        ("POST", "cancel") => kept.answer.clone(),
        ("GET", "input_items") => input_items(&kept.input),
        ("DELETE", "") => {
            stored.remove(&call.credential, id);
            json!({"id": id, "object": "response", "deleted": true})
        }
        _ => return call.dialect.error(404, "Unknown path."),
    };
    Reply::json(200, answer.to_string())
}

fn input_items(input: &Value) -> Value {
    let items = match input {
        Value::Array(items) => items.clone(),
        text => vec![json!({"id": "msg_mock_input", "type": "message", "role": "user",
            "content": [{"type": "input_text", "text": text}]})],
    };
    json!({"object": "list", "data": items, "has_more": false, "first_id": null, "last_id": null})
}
