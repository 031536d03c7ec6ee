//! Code Assist: Gemini in an envelope, and the verbs by which a client introduces its user.

use serde_json::{Value, json};

use super::ask::Ask;
use super::generate::generate;
use super::reply::Reply;
use super::state::{Call, Mock};
use super::wire::Request;
use super::{gemini, google, windows};

/// The project of every account that asks for one.
const PROJECT: &str = "mock-project";

/// `/v1internal:{verb}` and `GET /v1internal/{operation}`.
pub(super) fn verb(mock: &Mock, call: &Call, request: &Request) -> Reply {
    if !mock.is_authorized(call) {
        return call.dialect.unauthorized();
    }
    let verb = request.path().rsplit([':', '/']).next().unwrap_or_default();
    let answer = match (request.method(), verb) {
        ("POST", "generateContent" | "streamGenerateContent") => {
            return generate(mock, call, request, read, |turn, ask| {
                let trace = format!("trace_mock_{}", turn.number);
                gemini::wrapped(turn, ask, |answer| json!({"response": answer, "traceId": trace}))
            });
        }
        ("POST", "countTokens") => return google::count_tokens(mock, call, request),
        ("POST", "retrieveUserQuota") => windows::google_quota(mock, call),
        ("POST", "loadCodeAssist") => load(),
        ("POST", "onboardUser") => operation(),
        ("GET", "getCodeAssistGlobalUserSetting") => setting(true),
        ("POST", "setCodeAssistGlobalUserSetting") => setting(body(request)["freeTierDataCollectionOptin"] != false),
        ("POST", "listExperiments") => json!({"experimentIds": [], "flags": []}),
        ("POST", "fetchAdminControls") => json!({"strictModeDisabled": true}),
        ("POST", "recordCodeAssistMetrics") => json!({}),
        ("GET", _) if request.path().starts_with("/v1internal/") => operation(),
        _ => return call.dialect.error(404, "Method not found."),
    };
    Reply::json(200, answer.to_string())
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

fn read(request: &Request) -> Result<Ask<'_>, String> {
    let body = body(request);
    let refuse = |message: &str| Err(message.to_owned());
    let Some(model) = body["model"].as_str() else { return refuse("model is required") };
    if body["project"].as_str().is_some_and(|project| project.bytes().all(|byte| byte.is_ascii_digit())) {
        return refuse("Invalid project resource name");
    }
    gemini::ask(&body["request"], model.to_owned(), gemini::framing(request))
}

fn tier() -> Value {
    json!({"id": "free-tier", "name": "Mock tier", "userDefinedCloudaicompanionProject": false, "isDefault": true})
}

fn load() -> Value {
    json!({"currentTier": tier(), "allowedTiers": [tier()], "cloudaicompanionProject": PROJECT, "gcpManaged": false})
}

/// An operation that is done at once.
fn operation() -> Value {
    let project = json!({"id": PROJECT, "name": PROJECT});
    json!({"name": "operations/mock-onboarding", "done": true, "response": {"cloudaicompanionProject": project}})
}

fn setting(opted_in: bool) -> Value {
    json!({"cloudaicompanionProject": PROJECT, "freeTierDataCollectionOptin": opted_in})
}
