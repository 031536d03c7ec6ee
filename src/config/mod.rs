//! Static configuration: embedded defaults, files, environment (`ops.md` §2). The only place that reads the environment.

mod alias;
pub mod directories;
pub mod keys;
mod layers;
pub mod oauth;
mod print;
mod problem;
mod reader;
mod secrets;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use actors::domain::settings::Settings;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

pub use print::Entry;
pub use problem::{Problem, Problems};

use layers::{Layers, Raw};
use reader::Reader;

/// Which secrets a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// None: it only talks to the database.
    Nothing,
    /// The master key and the session secret, and no placeholders.
    Secrets,
}

/// Everything that needs a restart to change.
#[derive(Debug, Clone)]
pub struct Config {
    /// Main listener.
    pub server: Server,
    /// Operations listener.
    pub ops: Ops,
    /// Database.
    pub database: Database,
    /// Cache.
    pub cache: Cache,
    /// Usage journal.
    pub journal: Journal,
    /// Secrets.
    pub security: Security,
    /// First administrator: name and password.
    pub admin: Option<(String, SecretString)>,
    /// How long a dependency that is down is waited for.
    pub startup_wait: Duration,
    /// Stopping.
    pub shutdown: Shutdown,
    /// Logs.
    pub log: Log,
    /// Accounts that get metric series of their own; 0 = none.
    pub metrics_accounts_max: usize,
    /// Further certificate authorities for upstreams.
    pub ca_file: Option<PathBuf>,
    /// Vendors' OAuth values.
    pub oauth: oauth::Oauth,
    /// An LDAP directory whose people may log in.
    pub ldap: Option<directories::Ldap>,
    /// An OpenID provider whose people may log in.
    pub oidc: Option<directories::Oidc>,
    /// Dynamic settings as the files and the environment start them.
    pub settings: SettingLayers,
    /// Things that work but should be changed.
    pub warnings: Vec<String>,
    /// Every value with its source, secrets masked.
    pub entries: Vec<Entry>,
}

/// Main listener.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// HTTP worker threads.
    pub workers: usize,
    /// How clients reach it.
    pub public_url: Option<String>,
    /// Networks whose `X-Forwarded-For` is believed, as CIDR.
    pub trusted_proxies: Vec<String>,
    /// Pages of others that may call; empty = none.
    pub cors_origins: Vec<String>,
    /// Relay requests at once.
    pub max_in_flight: usize,
}

/// Operations listener.
#[derive(Debug, Clone)]
pub struct Ops {
    /// Metrics and probes; `None` = off.
    pub listen: Option<SocketAddr>,
    /// Token that `/metrics` asks for.
    pub metrics_token: Option<SecretString>,
}

/// Database.
#[derive(Debug, Clone)]
pub struct Database {
    /// `sqlite://PATH` or `mysql://…`; may hold a password.
    pub url: SecretString,
    /// Connections of the pool.
    pub max_connections: u32,
    /// Apply migrations at start.
    pub auto_migrate: bool,
}

impl Database {
    /// True for the embedded mode.
    pub fn is_sqlite(&self) -> bool {
        self.url.expose_secret().starts_with("sqlite:")
    }
}

/// Cache.
#[derive(Debug, Clone)]
pub struct Cache {
    /// `memory:` or `redis://…`; may hold a password.
    pub url: SecretString,
    /// Start of every key.
    pub prefix: String,
}

/// Usage journal.
#[derive(Debug, Clone)]
pub struct Journal {
    /// Folder.
    pub dir: PathBuf,
    /// Interval of syncs to disk.
    pub fsync: Duration,
}

/// Secrets. Absent ones were not needed by the command.
#[derive(Debug, Clone)]
pub struct Security {
    /// Encrypts stored credentials.
    pub master_key: Option<SecretString>,
    /// Signs session tokens.
    pub jwt_secret: Option<SecretString>,
    /// Keys the digests of API keys.
    pub key_pepper: Option<SecretString>,
    /// Life of a session token.
    pub jwt_expires: Duration,
    /// Lets keys of an imported claude-relay-service work.
    pub crs_encryption_key: Option<SecretString>,
}

/// Stopping (`ops.md` §4).
#[derive(Debug, Clone, Copy)]
pub struct Shutdown {
    /// Still serving after the signal.
    pub pre_stop_delay: Duration,
    /// Time for requests and streams to finish.
    pub grace: Duration,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// Logs.
#[derive(Debug, Clone)]
pub struct Log {
    /// Tracing filter.
    pub filter: String,
    /// Form.
    pub format: LogFormat,
    /// File; `None` = standard error.
    pub file: Option<PathBuf>,
}

/// Dynamic settings outside of the database: environment lock > database > file > default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SettingLayers {
    /// Values of files (and of plain variables): below the database.
    pub base: BTreeMap<String, Value>,
    /// Values locked by `QUOTALANE_SETTINGS__…`: above the database.
    pub locked: BTreeMap<String, Value>,
}

impl Config {
    /// Loads from the files and the process's environment.
    pub fn load(files: &[PathBuf], need: Need) -> Result<Self, Problems> {
        Self::load_with(files, &environment(), need)
    }

    /// Loads with the environment given: tests, and the demo with its own values.
    pub fn load_with(files: &[PathBuf], environment: &[(String, String)], need: Need) -> Result<Self, Problems> {
        let layers = Layers::read(files, environment);
        let mut reader = Reader::new(&layers);
        let mut config = read_all(&mut reader);
        config.settings = read_settings(&layers, &mut reader);
        if need == Need::Secrets {
            check_secrets(&config, &mut reader);
        }
        config.warnings.clone_from(&layers.warnings);
        config.entries = print::entries(&layers);
        let problems = reader.into_problems();
        if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
    }

    /// The files named by `QUOTALANE_CONFIG`, a comma list.
    pub fn files_from_environment() -> Vec<PathBuf> {
        let list = environment().into_iter().find(|(name, _)| name == "QUOTALANE_CONFIG");
        list.map(|(_, value)| value.split(',').map(|file| PathBuf::from(file.trim())).collect()).unwrap_or_default()
    }
}

/// Variables that are not Unicode cannot be ours.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn read_all(reader: &mut Reader<'_>) -> Config {
    Config {
        server: read_server(reader),
        ops: Ops { listen: reader.address("ops.listen"), metrics_token: reader.secret("ops.metrics_token") },
        database: read_database(reader),
        cache: read_cache(reader),
        journal: Journal {
            dir: PathBuf::from(reader.text("journal.dir")),
            fsync: Duration::from_millis(reader.number("journal.fsync_ms", 1, 60_000)),
        },
        security: Security {
            master_key: reader.secret("security.master_key"),
            jwt_secret: reader.secret("security.jwt_secret"),
            key_pepper: reader.secret("security.key_pepper"),
            jwt_expires: reader.duration("jwt.expires"),
            crs_encryption_key: reader.secret("migration.crs_encryption_key"),
        },
        admin: reader.optional("admin.username").zip(reader.secret("admin.password")),
        startup_wait: Duration::from_secs(reader.number("startup.wait_s", 0, 3_600)),
        shutdown: Shutdown {
            pre_stop_delay: reader.duration("shutdown.pre_stop_delay"),
            grace: reader.duration("shutdown.grace"),
        },
        log: read_log(reader),
        metrics_accounts_max: {
            let max = reader.number("metrics.per_account_max", 0, 100_000);
            if reader.parsed::<bool>("metrics.per_account", "true or false") { max } else { 0 }
        },
        ca_file: reader.optional("tls.ca_file").map(PathBuf::from),
        oauth: oauth::read(reader),
        ldap: directories::read_ldap(reader),
        oidc: directories::read_oidc(reader),
        settings: SettingLayers::default(),
        warnings: Vec::new(),
        entries: Vec::new(),
    }
}

fn read_server(reader: &mut Reader<'_>) -> Server {
    let workers = reader.number("server.workers", 0_usize, 1_024);
    let origins = reader.list("server.cors_origins");
    for origin in origins.iter().filter(|origin| !is_origin(origin)) {
        reader.problem("server.cors_origins", format!("{origin} is no origin such as https://chat.example"));
    }
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let listen = reader.address("server.listen").unwrap_or_else(|| {
        reader.problem("server.listen", "must be set");
        SocketAddr::from(([127, 0, 0, 1], 0))
    });
    Server {
        listen,
        workers: if workers == 0 { cpus } else { workers },
        public_url: reader.optional("server.public_url"),
        trusted_proxies: reader.list("server.trusted_proxies"),
        cors_origins: origins,
        max_in_flight: reader.number("server.max_in_flight", 1, 1_000_000),
    }
}

/// What a browser sends as `Origin`, `scheme://host[:port]`; or `*` for every page.
fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    text == "*" || rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(plain))
}

fn read_database(reader: &mut Reader<'_>) -> Database {
    let url = reader.text("database.url");
    if !["sqlite:", "mysql://", "mariadb://"].iter().any(|scheme| url.starts_with(scheme)) {
        reader.problem("database.url", "must start with sqlite:// or mysql://");
    }
    let auto = reader.word("database.auto_migrate", &["auto", "true", "false"]);
    Database {
        auto_migrate: auto == "true" || (auto == "auto" && url.starts_with("sqlite:")),
        url: SecretString::from(url),
        max_connections: reader.number("database.max_connections", 1, 1_000),
    }
}

fn read_cache(reader: &mut Reader<'_>) -> Cache {
    let url = reader.text("cache.url");
    let schemes = ["redis://", "rediss://", "redis-cluster://", "rediss-cluster://"];
    if url != "memory:" && !schemes.iter().any(|scheme| url.starts_with(scheme)) {
        reader.problem("cache.url", "must be memory: or start with redis:// or redis-cluster://");
    }
    Cache { url: SecretString::from(url), prefix: reader.text("cache.prefix") }
}

fn read_log(reader: &mut Reader<'_>) -> Log {
    let level = reader.word("log.level", &["error", "warn", "info", "debug", "trace"]);
    let format = match reader.word("log.format", &["auto", "json", "text"]).as_str() {
        "json" => LogFormat::Json,
        "text" => LogFormat::Text,
        _ => LogFormat::Auto,
    };
    let filter = reader.optional("log.filter").unwrap_or(level);
    Log { filter, format, file: reader.optional("log.file").map(PathBuf::from) }
}

/// What is wrong with a secret, if anything.
type Fault = fn(&str) -> Option<String>;

fn check_secrets(config: &Config, reader: &mut Reader<'_>) {
    let checks: [(&str, &Option<SecretString>, Fault); 2] = [
        ("security.master_key", &config.security.master_key, secrets::master_key_fault),
        ("security.jwt_secret", &config.security.jwt_secret, secrets::jwt_secret_fault),
    ];
    for (path, secret, fault) in checks {
        match secret {
            None => reader.problem(path, "is required; make one with `quotalane secrets generate`"),
            Some(secret) => {
                if let Some(text) = fault(secret.expose_secret()) {
                    reader.problem(path, text);
                }
            }
        }
    }
}

fn read_settings(layers: &Layers, reader: &mut Reader<'_>) -> SettingLayers {
    let mut settings = SettingLayers::default();
    let dynamic = |path: &&String| keys::find(path).is_some_and(|key| key.kind == keys::Kind::Setting);
    for path in layers.values.keys().filter(dynamic) {
        if let Some(value) = setting(path, &layers.values, reader) {
            settings.base.insert(path.clone(), value);
        }
    }
    for path in layers.locked.keys() {
        if let Some(value) = setting(path, &layers.locked, reader) {
            settings.locked.insert(path.clone(), value);
        }
    }
    settings
}

/// The value of a dynamic setting, taken as its own type wants it: text, number or list.
fn setting(path: &str, values: &BTreeMap<String, layers::Found>, reader: &mut Reader<'_>) -> Option<Value> {
    let found = values.get(path)?;
    let forms = match &found.raw {
        Raw::Json(value) => vec![value.clone(), Value::from(value.to_string())],
        Raw::List(items) => {
            vec![serde_json::json!(items), items.iter().filter_map(|i| i.parse::<i64>().ok()).collect()]
        }
        Raw::Text(text) => {
            let list: Vec<&str> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
            vec![serde_json::from_str(text).unwrap_or(Value::Null), Value::from(text.as_str()), serde_json::json!(list)]
        }
    };
    let mut refused = None;
    for value in forms {
        match Settings::default().set(path, &value) {
            Ok(()) => return Some(value),
            Err(error) => refused = Some(error),
        }
    }
    if let Some(error) = refused {
        reader.problem(path, format!("{error} ({})", found.place));
    }
    None
}

#[cfg(test)]
mod tests;
