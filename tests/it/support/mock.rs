//! Steers the mock upstream over its control endpoints and reads its own record of what happened.

use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::Value;

use super::client::Call;

/// What a test presents that asks the mock itself.
pub const WITNESS: &str = "the-witness";

/// Token counts as the mock emitted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Emitted {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_input_tokens: u64,
    pub ephemeral_5m_input_tokens: u64,
    pub ephemeral_1h_input_tokens: u64,
}

/// One call that the mock saw.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    pub id: String,
    /// What is spoken on the path.
    pub dialect: String,
    pub credential: String,
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    pub headers: Vec<(String, String)>,
    pub model: Option<String>,
    pub body_bytes: usize,
    pub body_sha256: String,
    /// Tool calls of the history came with what the mock had sealed them with.
    pub seals: Option<bool>,
    pub fault: Option<String>,
    pub usage: Option<Emitted>,
    pub events: usize,
    pub terminal: bool,
    pub ended: String,
    pub started_ms: i64,
    pub ended_ms: Option<i64>,
}

impl Entry {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A call that a request row knows as an attempt: not one that counts or lists, nor one for ourselves.
    pub fn is_attempt(&self) -> bool {
        const ENDS: [&str; 13] = [
            "/messages",
            "/completions",
            "/embeddings",
            "/responses",
            "/responses/compact",
            "/invoke",
            "/invoke-with-response-stream",
            "/converse",
            "/converse-stream",
            ":generateContent",
            ":streamGenerateContent",
            ":embedContent",
            ":batchEmbedContents",
        ];
        let has = |part: &str| self.path.contains(part);
        if self.credential == WITNESS || self.path.to_lowercase().ends_with("counttokens") {
            return false;
        }
        // Reading a stored answer, and the verbs by which a client introduces its user.
        if has("/responses/") || has("v1internal") {
            return true;
        }
        self.method == "POST" && (ENDS.iter().any(|end| self.path.ends_with(end)) || has("/images/") || has("/audio/"))
    }

    /// The vendor names its calls to the caller.
    pub fn is_named(&self) -> bool {
        !self.dialect.starts_with("gemini") && self.dialect != "code-assist"
    }

    /// Something of an answer was sent.
    pub fn has_head(&self) -> bool {
        match self.fault.as_deref() {
            Some("reset_before") => false,
            Some("hang") => self.events > 0,
            _ => true,
        }
    }
}

/// The mock's controls.
#[derive(Debug, Clone, Copy)]
pub struct Mock(pub SocketAddr);

impl Mock {
    async fn control(&self, method: &str, path: &str, body: Value) -> Vec<u8> {
        let mut call = Call::post(path, if body.is_null() { String::new() } else { body.to_string() });
        call.method = method.to_owned();
        let answer = call.send(self.0).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.body
    }

    /// Breaks calls: `{"match": {"credential", "path"}, "times", "skip", "fault": {"kind", …}}`.
    pub async fn fault(&self, rule: Value) {
        self.control("POST", "/__mock/faults", rule).await;
    }

    /// Breaks every message call of an account by a fault.
    pub async fn break_account(&self, credential: &str, fault: Value) {
        self.fault(serde_json::json!({"match": {"credential": credential}, "fault": fault})).await;
    }

    pub async fn heal(&self) {
        self.control("DELETE", "/__mock/faults", Value::Null).await;
    }

    pub async fn script(&self, script: Value) {
        self.control("POST", "/__mock/script", script).await;
    }

    pub async fn replay(&self, replay: Value) {
        self.control("POST", "/__mock/replay", replay).await;
    }

    pub async fn stop_replay(&self) {
        self.control("DELETE", "/__mock/replay", Value::Null).await;
    }

    pub async fn oauth_counts(&self) -> Value {
        serde_json::from_slice(&self.control("GET", "/__mock/oauth", Value::Null).await).unwrap()
    }

    pub async fn log(&self) -> Vec<Entry> {
        let body = self.control("GET", "/__mock/log", Value::Null).await;
        serde_json::from_slice(&body).unwrap()
    }

    /// The message calls so far.
    pub async fn messages(&self) -> Vec<Entry> {
        self.log().await.into_iter().filter(|entry| entry.path == "/v1/messages").collect()
    }

    /// The attempts so far, in whatever dialect.
    pub async fn attempts(&self) -> Vec<Entry> {
        self.log().await.into_iter().filter(Entry::is_attempt).collect()
    }

    /// The newest attempt.
    pub async fn last_attempt(&self) -> Entry {
        self.attempts().await.pop().unwrap()
    }

    /// The attempts on one account.
    pub async fn attempts_of(&self, credential: &str) -> usize {
        self.attempts().await.iter().filter(|entry| entry.credential == credential).count()
    }

    /// The message calls of one account.
    pub async fn calls_of(&self, credential: &str) -> usize {
        self.messages().await.iter().filter(|entry| entry.credential == credential).count()
    }
}
