//! The product in this process: one server per test on a free port, its own database, its own mock.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use actors::account::view::{AccountDetail, AccountView};
use actors::domain::id::{AccountId, RequestId, UserId};
use actors::domain::usage::{AttemptRow, RequestRow};
use quotalane::app::Application;
use quotalane::config::{Config, Need};
use quotalane::mock::{self, MockHandle, MockOptions};
use quotalane::store::usage;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::audit::{self, Seen};
use super::client::{Answer, Call, Open};
use super::mock::Mock;
use super::setup::TestKey;
use super::speech::{Prompt, Tongue};

/// Model of most tests; its list prices are written down in `audit`.
pub const MODEL: &str = "claude-sonnet-4-5";

/// Signs the sessions of every test.
pub const JWT_SECRET: &str = "5b1f0c9e7d3a4826b0c4d2e8f6a71935c8e0b2d4f6a8091b3d5f7a9cbedf1032";

/// The running product. A test ends with [`TestApp::finish`].
pub struct TestApp {
    app: Option<Application>,
    mock_handle: Option<MockHandle>,
    /// Steers the upstream.
    pub mock: Mock,
    config: Config,
    /// What the process would have in its environment.
    pub(super) environment: Vec<(String, String)>,
    pub dir: TempDir,
    pub owner: Cell<Option<UserId>>,
    /// What clients saw, for the audit.
    pub(super) seen: RefCell<Vec<Seen>>,
    finished: bool,
}

/// A server with short intervals and one worker.
pub async fn spawn_app() -> TestApp {
    TestApp::start(&[]).await
}

/// A request for a message.
pub fn ask(stream: bool) -> Value {
    ask_model(MODEL, stream)
}

/// A request for a message of a model. No two are of the same session.
pub fn ask_model(model: &str, stream: bool) -> Value {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let content = format!("hi {}", NUMBER.fetch_add(1, Ordering::Relaxed));
    json!({"model": model, "max_tokens": 64, "stream": stream, "messages": [{"role": "user", "content": content}]})
}

/// `POST /v1/messages` as an SDK sends it.
pub fn message_call(key: &TestKey, body: &Value) -> Call {
    Call::post("/v1/messages", body.to_string()).key(&key.raw).header("anthropic-version", "2023-06-01")
}

impl TestApp {
    /// A server with further environment variables.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mock_handle = mock::serve(SocketAddr::from(([127, 0, 0, 1], 0)), MockOptions::default()).await.unwrap();
        let environment = environment(&dir, &mock_handle.url(), variables).await;
        let config = Config::load_with(&[], &environment, Need::Secrets).unwrap();
        let app = Application::build(config.clone()).await.unwrap();
        Self {
            app: Some(app),
            mock: Mock(mock_handle.addr()),
            mock_handle: Some(mock_handle),
            config,
            environment,
            dir,
            owner: Cell::default(),
            seen: RefCell::default(),
            finished: false,
        }
    }

    /// Gives the server another value of a variable, from its next start on.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        let name = format!("QUOTALANE_{name}");
        self.environment.retain(|(given, _)| *given != name);
        self.environment.push((name, value.to_owned()));
        self.config = Config::load_with(&[], &self.environment, Need::Secrets).unwrap();
    }

    /// What the next start is given.
    pub fn config(&self) -> Config {
        self.config.clone()
    }

    /// The application's parts.
    pub fn app(&self) -> &Application {
        self.app.as_ref().unwrap()
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.app().addr
    }

    /// Base URL of the upstream.
    pub fn mock_url(&self) -> String {
        format!("http://{}", self.mock.0)
    }

    /// Stops the server; the database and the journal stay.
    pub async fn stop(&mut self) {
        self.app.take().unwrap().stop(std::future::pending()).await;
    }

    /// Starts the server again on the same folder.
    pub async fn start_again(&mut self) {
        self.app = Some(Application::build(self.config.clone()).await.unwrap());
    }

    /// Sends any call.
    pub async fn send(&self, call: &Call) -> Answer {
        call.send(self.addr()).await
    }

    /// `POST /v1/messages`, read to its end and noted for the audit.
    pub async fn messages(&self, key: &TestKey, body: &Value) -> Answer {
        self.send_message(&message_call(key, body)).await
    }

    /// A call for a message in any spelling, noted for the audit.
    pub async fn send_message(&self, call: &Call) -> Answer {
        let answer = self.send(call).await;
        self.seen.borrow_mut().extend(Seen::of(&answer));
        answer
    }

    /// A prompt in any tongue, noted for the audit.
    pub async fn ask(&self, tongue: Tongue, key: &TestKey, prompt: &Prompt) -> Answer {
        let answer = self.send(&tongue.call(key, prompt)).await;
        self.seen.borrow_mut().extend(Seen::said(tongue, &answer));
        answer
    }

    /// A call in a tongue, changed before it was sent, noted for the audit.
    pub async fn send_said(&self, tongue: Tongue, call: &Call) -> Answer {
        let answer = self.send(call).await;
        self.seen.borrow_mut().extend(Seen::said(tongue, &answer));
        answer
    }

    /// A stream, opened.
    pub async fn open(&self, key: &TestKey, body: &Value) -> Open {
        message_call(key, body).open(self.addr()).await
    }

    /// `POST /v1/messages/count_tokens`.
    pub async fn count_tokens(&self, key: &TestKey, body: &Value) -> Answer {
        self.send(&Call::post("/v1/messages/count_tokens", body.to_string()).key(&key.raw)).await
    }

    /// `GET` with a key.
    pub async fn get(&self, key: &TestKey, target: &str) -> Answer {
        self.send(&Call::get(target).key(&key.raw)).await
    }

    /// The scheduler's view of an account.
    pub async fn view(&self, id: AccountId) -> AccountView {
        let views = self.app().engine.scheduler.views().await;
        views.into_iter().find(|view| view.spec.id == id).unwrap()
    }

    /// What the account's actor knows.
    pub async fn detail(&self, id: AccountId) -> AccountDetail {
        self.detail_if_up(id).await.unwrap()
    }

    /// As [`TestApp::detail`], unless its actor is being rebuilt.
    pub async fn detail_if_up(&self, id: AccountId) -> Option<AccountDetail> {
        self.app().engine.accounts.detail(id).await
    }

    /// Every request row, oldest first, once all usage is stored.
    pub async fn rows(&self) -> Vec<RequestRow> {
        self.quiet().await;
        let mut rows = usage::list(&self.app().storage.db, &usage::RequestFilter::default(), 10_000).await.unwrap();
        rows.reverse();
        rows
    }

    /// The row of an answer with its attempts.
    pub async fn row(&self, answer: &Answer) -> (RequestRow, Vec<AttemptRow>) {
        self.quiet().await;
        self.row_of(answer.request_id().parse::<RequestId>().unwrap()).await
    }

    /// The only request row with its attempts.
    pub async fn only_row(&self) -> (RequestRow, Vec<AttemptRow>) {
        let rows = self.rows().await;
        assert_eq!(rows.len(), 1, "{rows:?}");
        self.row_of(rows[0].request).await
    }

    async fn row_of(&self, id: RequestId) -> (RequestRow, Vec<AttemptRow>) {
        usage::get(&self.app().storage.db, id, None).await.unwrap().expect("a usage row")
    }

    /// Waits until nothing is under way: every gauge of an obligation is zero and all usage is in SQL.
    pub async fn quiet(&self) {
        audit::quiet(self).await;
    }

    /// Ends the test: everything was given back, and upstream, clients and rows tell the same story.
    pub async fn finish(mut self) {
        self.quiet().await;
        audit::check(&self).await;
        self.stop().await;
        self.finished = true;
        drop(self.mock_handle.take());
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        assert!(self.finished || std::thread::panicking(), "a test ends with finish()");
    }
}

async fn environment(dir: &TempDir, mock_url: &str, variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let place = |name: &str| dir.path().join(name).display().to_string();
    let mut environment: Vec<(String, String)> = [
        ("SERVER__LISTEN", "127.0.0.1:0"),
        ("SERVER__WORKERS", "1"),
        ("OPS__LISTEN", ""),
        ("DATABASE__URL", &database(&place("quotalane.db")).await),
        ("DATABASE__AUTO_MIGRATE", "true"),
        ("JOURNAL__DIR", &place("journal")),
        ("SECURITY__MASTER_KEY", "6c6f6f6b2d61742d6d792d6d61737465722d6b65792d666f722d74657374732e"),
        ("SECURITY__JWT_SECRET", JWT_SECRET),
        ("SHUTDOWN__PRE_STOP_DELAY", "0s"),
        ("SHUTDOWN__GRACE", "5s"),
        ("ACCOUNTS__OAUTH_ENABLED", "true"),
        ("NETWORK__ALLOW_PRIVATE_CIDRS", "127.0.0.0/8"),
        ("USAGE__FLUSH_MS", "50"),
        ("OAUTH__CLAUDE_OFFICIAL__TOKEN_URL", &format!("{mock_url}/v1/oauth/token")),
        ("OAUTH__CODEX__TOKEN_URL", &format!("{mock_url}/oauth/token")),
        ("OAUTH__GEMINI__TOKEN_URL", &format!("{mock_url}/token")),
        ("OAUTH__GEMINI__CLIENT_SECRET", "a-client-secret"),
        ("OAUTH__DROID__TOKEN_URL", &format!("{mock_url}/user_management/authenticate")),
    ]
    .map(|(name, value)| (format!("QUOTALANE_{name}"), value.to_owned()))
    .into();
    for (name, value) in variables {
        let name = format!("QUOTALANE_{name}");
        environment.retain(|(given, _)| *given != name);
        environment.push((name, (*value).to_owned()));
    }
    environment
}

thread_local! {
    /// The server on which the tests of this thread make their databases; empty = SQLite.
    static SERVER: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs tests on databases of this server.
pub fn on_server(url: &str, tests: impl FnOnce()) {
    SERVER.set(url.to_owned());
    tests();
    SERVER.take();
}

/// SQLite in the test's folder, or a new database on the server that was chosen.
async fn database(file: &str) -> String {
    let server = SERVER.with_borrow(String::clone);
    if server.is_empty() {
        return format!("sqlite://{file}");
    }
    use sqlx::Connection;
    let name = format!("ql_it_{}", ulid::Ulid::from_parts(0, rand::random()).to_string().to_lowercase());
    let mut connection = sqlx::MySqlConnection::connect(&server).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let (base, query) = server.split_once('?').map_or((server.as_str(), ""), |(base, query)| (base, query));
    let scheme = base.find("://").unwrap() + 3;
    let end = base[scheme..].find('/').map_or(base.len(), |at| scheme + at);
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    format!("{}/{name}{query}", &base[..end])
}
