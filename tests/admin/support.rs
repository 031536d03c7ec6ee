//! A real server on a free port with a fresh database, and a client that speaks to it.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::Method;
use actix_http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use actors::clock::Clock;
use actors::domain::id::{AccountId, UserId};
use bytes::Bytes;
use quotalane::app::Application;
use quotalane::config::{Config, Need};
use quotalane::http::admin::authorisations::Authorisations;
use quotalane::identity::token::Tokens;
use quotalane::store::users::{self, KeyLimits, Profile, Role, UserConfig, UserStatus};
use quotalane::transport::{Egress, EgressRules, OutboundCall};
use serde_json::{Value, json};

pub const JWT: &str = "fedcba9876543210fedcba9876543210";
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A running product.
pub struct TestApp {
    pub app: Application,
    egress: Egress,
    pub dir: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: actix_http::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// The data of a success; the envelope is checked on the way.
    pub fn data(&self) -> Value {
        let json = self.json();
        assert!(self.status < 300, "{} {}", self.status, self.text);
        assert_eq!((&json["code"], &json["message"]), (&json!(0), &json!("success")));
        json["data"].clone()
    }

    /// Status and reason of a failure; the envelope is checked on the way.
    pub fn failure(&self) -> (u16, String) {
        let json = self.json();
        assert_eq!(json["code"], json!(self.status), "{}", self.text);
        let id = json["request_id"].as_str().unwrap_or_else(|| panic!("no request id: {}", self.text));
        assert_eq!(self.headers.get("x-request-id").unwrap().to_str().unwrap(), id);
        (self.status, json["reason"].as_str().unwrap().to_owned())
    }
}

/// Runs a test against a fresh product.
pub fn with_app<F: Future<Output = ()>>(extra: &[(&str, &str)], test: impl FnOnce(Rc<TestApp>) -> F) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let extra: Vec<(String, String)> = extra.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    actix_rt::System::new().block_on(async move {
        let app = Rc::new(TestApp::spawn(extra).await);
        test(Rc::clone(&app)).await;
        let app = Rc::into_inner(app).unwrap();
        app.app.stop(std::future::ready(())).await;
    });
}

impl TestApp {
    async fn spawn(extra: Vec<(String, String)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name).display().to_string();
        let mut environment: Vec<(String, String)> = [
            ("QUOTALANE_SERVER__LISTEN", "127.0.0.1:0".to_owned()),
            ("QUOTALANE_SERVER__WORKERS", "1".to_owned()),
            ("QUOTALANE_OPS__LISTEN", "127.0.0.1:0".to_owned()),
            ("QUOTALANE_DATABASE__URL", format!("sqlite://{}", place("test.db"))),
            ("QUOTALANE_JOURNAL__DIR", place("journal")),
            ("QUOTALANE_SECURITY__MASTER_KEY", KEY.to_owned()),
            ("QUOTALANE_SECURITY__JWT_SECRET", JWT.to_owned()),
            ("QUOTALANE_SHUTDOWN__PRE_STOP_DELAY", "0s".to_owned()),
            ("QUOTALANE_NETWORK__ALLOW_PRIVATE_CIDRS", "127.0.0.0/8".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        environment.retain(|(name, _)| extra.iter().all(|(other, _)| other != name));
        environment.extend(extra);
        let config = Config::load_with(&[], &environment, Need::Secrets).unwrap();
        let app = Application::build(config).await.unwrap();
        let rules = EgressRules::new(&["127.0.0.0/8".to_owned()], &[]).unwrap();
        Self { app, egress: Egress::new(Arc::new(rules)), dir }
    }

    /// Creates a user with a role and gives a session of it. Skips the password, which takes a second to hash.
    pub async fn session(&self, name: &str, role: Role) -> (UserId, String) {
        let config = UserConfig {
            external_id: None,
            username: name.to_owned(),
            email: None,
            display_name: String::new(),
            role,
            status: UserStatus::Active,
            max_concurrency: 0,
            rpm_limit: 0,
            max_api_keys: 0,
            price_rate_ppm: 1_000_000,
            profile: Profile::default(),
            default_key_limits: KeyLimits::default(),
        };
        let db = &self.app.storage.db;
        let id = users::create(db, config, None, self.app.engine.clock.now()).await.unwrap();
        self.app.lifecycle.owner_found();
        (id, self.token(id, 0).await)
    }

    /// A session of a user that was opened so many milliseconds ago.
    pub async fn token(&self, id: UserId, age_ms: i64) -> String {
        let row = users::get(&self.app.storage.db, id).await.unwrap().unwrap();
        let opened = Clock::frozen(self.app.engine.clock.now().plus(-age_ms));
        let tokens = Tokens::new(&JWT.to_owned().into(), 3_600, opened).unwrap();
        let (token, _) = tokens.issue(&row).unwrap();
        secrecy::ExposeSecret::expose_secret(&token).to_owned()
    }

    /// The authorisations that the product keeps.
    pub fn authorisations(&self) -> Authorisations {
        Authorisations::new(self.app.storage.cache.clone(), self.app.storage.sealer.clone())
    }

    /// The accounts' actors.
    pub fn accounts(&self) -> actors::account::AccountsHandle {
        self.app.engine.accounts.clone()
    }

    /// A super_admin's session.
    pub async fn owner(&self) -> String {
        self.session("owner", Role::SuperAdmin).await.1
    }

    /// Calls a path under `/api/v1`.
    pub async fn api(&self, method: &str, path: &str, session: &str, body: Option<Value>) -> Answer {
        let url = format!("http://{}/api/v1{path}", self.app.addr);
        self.call(method, url, session, body).await
    }

    /// What a browser asks before it calls.
    pub async fn preflight(&self, path: &str, headers: &[(&'static str, &str)]) -> Answer {
        let url = format!("http://{}{path}", self.app.addr);
        let named = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        self.send(Method::OPTIONS, url, named.collect(), Bytes::new()).await
    }

    /// Posts with an idempotency key.
    pub async fn post_once(&self, path: &str, session: &str, key: &str, body: Value) -> Answer {
        let url = format!("http://{}/api/v1{path}", self.app.addr);
        let key = (HeaderName::from_static("idempotency-key"), HeaderValue::from_str(key).unwrap());
        self.call_with("POST", url, session, Some(body), vec![key]).await
    }

    /// Calls any address.
    pub async fn call(&self, method: &str, url: String, session: &str, body: Option<Value>) -> Answer {
        self.call_with(method, url, session, body, Vec::new()).await
    }

    /// Calls any address with further headers.
    pub async fn call_with(
        &self,
        method: &str,
        url: String,
        session: &str,
        body: Option<Value>,
        mut headers: Vec<(HeaderName, HeaderValue)>,
    ) -> Answer {
        if !session.is_empty() {
            headers.push((AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {session}")).unwrap()));
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        self.send(Method::from_bytes(method.as_bytes()).unwrap(), url, headers, body).await
    }

    async fn send(&self, method: Method, url: String, headers: Vec<(HeaderName, HeaderValue)>, body: Bytes) -> Answer {
        let call = OutboundCall {
            account: AccountId(0),
            method,
            url,
            headers,
            body,
            proxy: None,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(30),
        };
        let answer = self.egress.send(call).await.unwrap();
        let (status, headers) = (answer.status, answer.headers);
        let bytes = answer.body.collect(16 << 20, Duration::from_secs(30)).await.unwrap();
        Answer { status, headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub async fn get(&self, path: &str, session: &str) -> Answer {
        self.api("GET", path, session, None).await
    }

    pub async fn post(&self, path: &str, session: &str, body: Value) -> Answer {
        self.api("POST", path, session, Some(body)).await
    }

    pub async fn patch(&self, path: &str, session: &str, body: Value) -> Answer {
        self.api("PATCH", path, session, Some(body)).await
    }
}
