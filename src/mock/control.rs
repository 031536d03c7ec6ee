//! The mock's own endpoints under `/__mock/`, by which tests steer it and read its truth.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::faults::FaultRule;
use super::reply::Reply;
use super::state::{Mock, Replay, Script, locked};
use super::windows::SetWindows;
use super::wire::Request;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetTokens {
    /// Life of the tokens issued from now on, in seconds.
    #[serde(default)]
    expires_in: Option<i64>,
    /// End the tokens issued so far.
    #[serde(default)]
    expire_all: bool,
    /// Polls of a device code that find it pending.
    #[serde(default)]
    device_polls: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetOptions {
    log: bool,
}

fn done() -> Reply {
    Reply::json(200, r#"{"ok":true}"#)
}

/// Applies a JSON body; says what is wrong with it.
fn with<T: DeserializeOwned>(request: &Request, apply: impl FnOnce(T)) -> Reply {
    match serde_json::from_slice(&request.body) {
        Ok(value) => {
            apply(value);
            done()
        }
        Err(error) => Reply::json(400, serde_json::json!({"error": error.to_string()}).to_string()),
    }
}

/// Answers a control request.
pub(super) fn answer(mock: &Mock, request: &Request) -> Reply {
    match (request.method(), request.path()) {
        ("POST", "/__mock/faults") => with(request, |rule: FaultRule| mock.add_fault(rule)),
        ("GET", "/__mock/faults") => Reply::json(200, mock.faults_json()),
        ("DELETE", "/__mock/faults") => {
            mock.clear_faults();
            done()
        }
        ("GET", "/__mock/log") => Reply::json(200, mock.log_json()),
        ("DELETE", "/__mock/log") => {
            mock.clear_log();
            done()
        }
        ("POST", "/__mock/script") => with(request, |script: Script| mock.set_script(Some(script))),
        ("DELETE", "/__mock/script") => {
            mock.set_script(None);
            done()
        }
        ("POST", "/__mock/replay") => {
            let mut valid = true;
            let reply = with(request, |replay: Replay| valid = mock.set_replay(Some(replay)));
            if valid { reply } else { Reply::json(400, r#"{"error":"body_b64 is no base64"}"#) }
        }
        ("DELETE", "/__mock/replay") => {
            mock.set_replay(None);
            done()
        }
        ("POST", "/__mock/windows") => with(request, |set: SetWindows| locked(&mock.windows).set(set)),
        ("GET", "/__mock/oauth") => Reply::json(200, locked(&mock.tokens).counts().to_string()),
        ("POST", "/__mock/oauth") => with(request, |set: SetTokens| {
            let mut tokens = locked(&mock.tokens);
            if let Some(seconds) = set.expires_in {
                tokens.set_life(seconds);
            }
            if let Some(polls) = set.device_polls {
                tokens.set_device_polls(polls);
            }
            if set.expire_all {
                tokens.expire_all();
            }
        }),
        ("POST", "/__mock/options") => with(request, |set: SetOptions| mock.set_logging(set.log)),
        _ => Reply::json(404, r#"{"error":"no such control path"}"#),
    }
}
