//! Everything that the mock remembers between calls.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actors::clock::Clock;
use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::credential;
use super::dialect::Dialect;
use super::faults::{Fault, FaultKind, FaultRule};
use super::log::{Entry, Log};
use super::oauth::Tokens;
use super::reply::{Body, Mark, Piece, Reply, Sent};
use super::seals;
use super::stored::Stored;
use super::windows::Windows;
use super::wire::Request;

/// One call, numbered.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) number: u64,
    pub(super) credential: String,
    /// The call uses an OAuth token.
    pub(super) oauth: bool,
    /// What is spoken on its path.
    pub(super) dialect: Dialect,
}

impl Call {
    pub(super) fn id(&self) -> String {
        format!("req_mock_{}", self.number)
    }
}

/// `POST /__mock/script`: length and pace of the answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    /// Only for this credential.
    #[serde(default)]
    credential: Option<String>,
    /// Before every event.
    #[serde(default)]
    delay_ms: u64,
    /// Text deltas.
    #[serde(default = "twenty")]
    events: usize,
    /// Text of each delta.
    #[serde(default = "word")]
    text: String,
}

fn twenty() -> usize {
    20
}

fn word() -> String {
    "word ".to_owned()
}

impl Script {
    pub(super) fn parts(&self) -> Vec<String> {
        vec![self.text.clone(); self.events]
    }

    pub(super) fn pace(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }
}

/// `POST /__mock/replay`: a recorded answer for every message call.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Replay {
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    content_type: String,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    body_b64: String,
    /// Bytes a chunk; absent = the whole body at once, with its length.
    #[serde(default)]
    chunk: Option<usize>,
}

fn ok() -> u16 {
    200
}

impl Replay {
    fn reply(&self) -> Option<Reply> {
        use base64::Engine;
        let body = Bytes::from(base64::engine::general_purpose::STANDARD.decode(&self.body_b64).ok()?);
        let body = match self.chunk {
            Some(size) if size > 0 => Body::Stream(
                body.chunks(size).map(|part| Piece { bytes: body.slice_ref(part), mark: Mark::None }).collect(),
            ),
            _ => Body::Whole(body, Mark::None),
        };
        let mut reply = Reply::new(self.status, &self.content_type, body);
        // Some vendors leave the header out.
        reply.headers.retain(|(_, value)| !value.is_empty());
        reply.headers.extend(self.headers.iter().map(|(name, value)| (Cow::from(name.clone()), value.clone())));
        Some(reply)
    }
}

#[derive(Debug, Default)]
struct Special {
    faults: Vec<FaultRule>,
    scripts: Vec<Script>,
    replay: Option<Reply>,
}

/// The mock's state, shared by its threads.
pub(super) struct Mock {
    calls: AtomicU64,
    logging: AtomicBool,
    /// Some fault, script or replay is set: look into `special`.
    is_special: AtomicBool,
    special: Mutex<Special>,
    log: Mutex<Log>,
    pub(super) tokens: Mutex<Tokens>,
    pub(super) windows: Mutex<Windows>,
    pub(super) stored: Mutex<Stored>,
    clock: Clock,
}

/// A poisoned lock only means that a thread of the mock died; its data is still the truth.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mock {
    pub(super) fn new(logging: bool) -> Self {
        Self {
            calls: AtomicU64::new(0),
            logging: AtomicBool::new(logging),
            is_special: AtomicBool::new(false),
            special: Mutex::default(),
            log: Mutex::default(),
            tokens: Mutex::default(),
            windows: Mutex::default(),
            stored: Mutex::default(),
            clock: Clock::system(),
        }
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now().0
    }

    pub(super) fn call(&self, request: &Request) -> Call {
        let dialect = Dialect::of(request.path());
        let (credential, bearer) = credential::presented(request);
        let oauth = bearer
            && match dialect {
                Dialect::Codex | Dialect::CodeAssist => true,
                _ if request.path().starts_with("/a/") || request.path().starts_with("/o/") => true,
                _ => request.header("anthropic-beta").is_some_and(|betas| betas.contains("oauth-")),
            };
        Call { number: self.calls.fetch_add(1, Ordering::Relaxed) + 1, credential, oauth, dialect }
    }

    /// A credential is there, and is no token that this mock has ended.
    pub(super) fn is_authorized(&self, call: &Call) -> bool {
        !call.credential.is_empty() && (!call.oauth || locked(&self.tokens).accepts(&call.credential, self.now_ms()))
    }

    fn change(&self, change: impl FnOnce(&mut Special)) {
        let mut special = locked(&self.special);
        change(&mut special);
        let any = !special.faults.is_empty() || !special.scripts.is_empty() || special.replay.is_some();
        self.is_special.store(any, Ordering::Release);
    }

    fn special(&self) -> Option<MutexGuard<'_, Special>> {
        self.is_special.load(Ordering::Acquire).then(|| locked(&self.special))
    }

    pub(super) fn add_fault(&self, rule: FaultRule) {
        self.change(|special| special.faults.push(rule));
    }

    pub(super) fn clear_faults(&self) {
        self.change(|special| special.faults.clear());
    }

    pub(super) fn faults_json(&self) -> Vec<u8> {
        serde_json::to_vec(&locked(&self.special).faults).unwrap_or_default()
    }

    pub(super) fn set_script(&self, script: Option<Script>) {
        self.change(|special| match script {
            Some(script) => {
                special.scripts.retain(|old| old.credential != script.credential);
                special.scripts.push(script);
            }
            None => special.scripts.clear(),
        });
    }

    /// False when the body is no base64.
    pub(super) fn set_replay(&self, replay: Option<Replay>) -> bool {
        let reply = replay.map(|replay| replay.reply());
        let valid = !matches!(reply, Some(None));
        self.change(|special| special.replay = reply.flatten());
        valid
    }

    pub(super) fn script(&self, credential: &str) -> Option<Script> {
        let special = self.special()?;
        let own = special.scripts.iter().find(|script| script.credential.as_deref() == Some(credential));
        own.or_else(|| special.scripts.iter().find(|script| script.credential.is_none())).cloned()
    }

    pub(super) fn replay(&self) -> Option<Reply> {
        self.special()?.replay.clone()
    }

    /// The fault for this call, counted; a rule that is used up goes.
    pub(super) fn fault(&self, call: &Call, path: &str) -> Option<Fault> {
        let mut special = self.special()?;
        let mut found = None;
        for rule in special.faults.iter_mut().filter(|rule| rule.matching.covers(&call.credential, path)) {
            if rule.skip > 0 {
                rule.skip -= 1;
                break;
            }
            match &mut rule.times {
                Some(0) => continue,
                Some(times) => *times -= 1,
                None => {}
            }
            found = Some(rule.fault.clone());
            break;
        }
        found
    }

    pub(super) fn set_logging(&self, on: bool) {
        self.logging.store(on, Ordering::Relaxed);
    }

    pub(super) fn clear_log(&self) {
        locked(&self.log).clear();
    }

    pub(super) fn log_json(&self) -> Vec<u8> {
        locked(&self.log).json()
    }

    /// Writes the call down before it is answered. False when the log is off.
    pub(super) fn log_start(&self, call: &Call, request: &Request, reply: &Reply, fault: Option<FaultKind>) -> bool {
        if !self.logging.load(Ordering::Relaxed) {
            return false;
        }
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let entry = Entry {
            number: call.number,
            id: call.id(),
            dialect: call.dialect,
            credential: call.credential.clone(),
            method: request.method().to_owned(),
            path: request.path().to_owned(),
            query: request.target().split_once('?').map(|(_, query)| query.to_owned()),
            headers: request.headers().map(owned).collect(),
            model: credential::model(request),
            body_bytes: request.body.len(),
            body_sha256: hex::encode(Sha256::digest(&request.body)),
            seals: seals::given_back(call.dialect, &request.body),
            fault,
            stream: reply.is_stream(),
            status: reply.status,
            usage: None,
            events: 0,
            bytes: 0,
            terminal: false,
            ended: "open",
            started_ms: self.now_ms(),
            ended_ms: None,
        };
        locked(&self.log).push(entry);
        true
    }

    pub(super) fn log_end(&self, call: &Call, sent: Sent) {
        locked(&self.log).end(call.number, sent, self.now_ms());
    }

    pub(super) fn limit_headers(&self, call: &Call) -> Vec<(Cow<'static, str>, String)> {
        locked(&self.windows).headers(call, self.now_ms())
    }
}
