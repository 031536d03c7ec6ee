//! Every static configuration key: what it holds and what it is for. Dynamic settings are keys too; their table is
//! `actors::domain::settings`.

use actors::domain::settings::Settings;

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A text that is never shown.
    Secret,
    /// A whole number.
    Int,
    /// `true` or `false`.
    Bool,
    /// A list of texts; comma-separated in the environment.
    List,
    /// A length of time: `500ms`, `5s`, `2m`, `24h`, or a plain number of seconds.
    Duration,
    /// A list of maps; JSON in the environment.
    Json,
    /// A dynamic setting: JSON, a list or a text, checked by its own type.
    Setting,
}

/// A key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its path, such as `server.listen`.
    pub path: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it does.
    pub doc: &'static str,
}

const fn key(path: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { path, kind, doc }
}

/// The static keys, in the order of `configs/default.yaml`.
pub const STATIC: &[Key] = &[
    key("server.listen", Kind::Text, "Where clients and the console connect"),
    key("server.workers", Kind::Int, "HTTP worker threads; 0 = one per CPU"),
    key("server.public_url", Kind::Text, "How clients reach this server"),
    key("server.trusted_proxies", Kind::List, "Networks whose X-Forwarded-For is believed"),
    key(
        "server.cors_origins",
        Kind::List,
        "Pages of others that browsers let call, such as https://chat.example; empty = none",
    ),
    key("server.max_in_flight", Kind::Int, "Relay requests at once; more are shed with 503"),
    key("ops.listen", Kind::Text, "Metrics and probes; empty = off"),
    key("ops.metrics_token", Kind::Secret, "Bearer token that /metrics asks for"),
    key("database.url", Kind::Secret, "sqlite://PATH or mysql://USER:PASSWORD@HOST/DATABASE"),
    key("database.max_connections", Kind::Int, "Database connections"),
    key("database.auto_migrate", Kind::Text, "true, false, or auto: true on SQLite, false on MySQL"),
    key("cache.url", Kind::Secret, "memory: or redis://…"),
    key("cache.prefix", Kind::Text, "Start of every cache key"),
    key("journal.dir", Kind::Text, "Folder of the usage journal"),
    key("journal.fsync_ms", Kind::Int, "How often the journal reaches the disk, in ms"),
    key("security.master_key", Kind::Secret, "Encrypts stored credentials"),
    key("security.jwt_secret", Kind::Secret, "Signs session tokens"),
    key("security.key_pepper", Kind::Secret, "Keys the digests of API keys"),
    key("jwt.expires", Kind::Duration, "Life of a session token"),
    key("admin.username", Kind::Text, "First administrator"),
    key("admin.password", Kind::Secret, "Password of the first administrator"),
    key("ldap.enabled", Kind::Bool, "Lets people of an LDAP directory log in"),
    key("ldap.url", Kind::Text, "ldaps://HOST[:PORT], or ldap:// with ldap.starttls"),
    key("ldap.starttls", Kind::Bool, "Turn to TLS before anything is sent"),
    key("ldap.allow_insecure", Kind::Bool, "Allow ldap:// without TLS: passwords go in the clear"),
    key("ldap.bind_dn", Kind::Text, "Service account that searches; empty = anonymous"),
    key("ldap.bind_password", Kind::Secret, "Password of the service account"),
    key("ldap.search_base", Kind::Text, "Where people are"),
    key("ldap.search_filter", Kind::Text, "Finds one person; {{username}} is replaced"),
    key("ldap.timeout_ms", Kind::Int, "Longest wait for one answer, in ms"),
    key("ldap.connect_timeout_ms", Kind::Int, "Longest wait for a connection, TLS included, in ms"),
    key("ldap.tls.verify", Kind::Bool, "Check the server's certificate"),
    key("ldap.tls.ca_file", Kind::Text, "Further certificate authorities, PEM"),
    key("ldap.tls.cert_file", Kind::Text, "Our certificate, PEM"),
    key("ldap.tls.key_file", Kind::Text, "Key of our certificate, PEM"),
    key("ldap.tls.server_name", Kind::Text, "Name in the server's certificate, when it is not the host's"),
    key("ldap.attrs.username", Kind::Text, "Attribute with the user name"),
    key("ldap.attrs.display_name", Kind::Text, "Attribute with the shown name"),
    key("ldap.attrs.email", Kind::Text, "Attribute with the e-mail address"),
    key("ldap.attrs.first_name", Kind::Text, "Attribute with the first name"),
    key("ldap.attrs.last_name", Kind::Text, "Attribute with the last name"),
    key("ldap.attrs.groups", Kind::Text, "Attribute with the groups"),
    key("ldap.group_role_map", Kind::Json, "Role by group: a list of {group, role}"),
    key("ldap.default_role", Kind::Text, "Role of everybody else: user, auditor or admin"),
    key("ldap.ad_login_format", Kind::Text, "As what a person binds: dn, upn or domain"),
    key("oidc.enabled", Kind::Bool, "Lets people of an OpenID provider log in"),
    key("oidc.name", Kind::Text, "What the login page calls the provider"),
    key("oidc.issuer", Kind::Text, "The provider's issuer URL"),
    key("oidc.client_id", Kind::Text, "What the provider knows this server as"),
    key("oidc.client_secret", Kind::Secret, "Proves that; empty for a public client"),
    key(
        "oidc.redirect_uri",
        Kind::Text,
        "Where people come back to; empty = the callback route below server.public_url",
    ),
    key("oidc.scopes", Kind::List, "What is asked for"),
    key("oidc.groups_claim", Kind::Text, "Claim of the ID token that names groups"),
    key("oidc.group_role_map", Kind::Json, "Role by group: a list of {group, role}"),
    key("oidc.default_role", Kind::Text, "Role of everybody else: user, auditor or admin"),
    key("oidc.create_users", Kind::Bool, "People who were never here get a user"),
    key("migration.crs_encryption_key", Kind::Secret, "ENCRYPTION_KEY of an imported claude-relay-service"),
    key("startup.wait_s", Kind::Int, "How long a dependency that is down is waited for, in s"),
    key("shutdown.pre_stop_delay", Kind::Duration, "Still serving after the stop signal"),
    key("shutdown.grace", Kind::Duration, "Time for requests and streams to finish"),
    key("log.level", Kind::Text, "error, warn, info, debug or trace"),
    key("log.filter", Kind::Text, "Tracing filter; wins over the level"),
    key("log.format", Kind::Text, "json, text, or auto: text on a terminal"),
    key("log.file", Kind::Text, "Where log lines go; empty = standard error"),
    key("metrics.per_account", Kind::Bool, "Series with an account id"),
    key("metrics.per_account_max", Kind::Int, "Accounts that get series of their own"),
    key("tls.ca_file", Kind::Text, "Further certificate authorities for upstreams, PEM"),
    key("oauth.claude-official.authorize_url", Kind::Text, "Where an owner authorises"),
    key("oauth.claude-official.token_url", Kind::Text, "Where tokens are exchanged"),
    key("oauth.claude-official.client_id", Kind::Text, "Client id of the token exchange"),
    key("oauth.claude-official.redirect_uri", Kind::Text, "Redirect of the authorisation"),
    key("oauth.claude-official.scopes", Kind::List, "Scopes asked for"),
    key("oauth.claude-official.usage_url", Kind::Text, "Where the usage of a subscription is read"),
    key("oauth.codex.authorize_url", Kind::Text, "Where an owner authorises"),
    key("oauth.codex.token_url", Kind::Text, "Where tokens are exchanged"),
    key("oauth.codex.client_id", Kind::Text, "Client id of the token exchange"),
    key("oauth.codex.redirect_uri", Kind::Text, "Redirect of the authorisation"),
    key("oauth.codex.scopes", Kind::List, "Scopes asked for"),
    key("oauth.codex.usage_url", Kind::Text, "Where the usage of a subscription is read"),
    key("oauth.gemini.authorize_url", Kind::Text, "Where an owner authorises"),
    key("oauth.gemini.token_url", Kind::Text, "Where tokens are exchanged"),
    key("oauth.gemini.client_id", Kind::Text, "Client id of the token exchange"),
    key(
        "oauth.gemini.client_secret",
        Kind::Secret,
        "Client secret of the token exchange; Google wants one, none is shipped",
    ),
    key("oauth.gemini.redirect_uri", Kind::Text, "Redirect of the authorisation"),
    key("oauth.gemini.scopes", Kind::List, "Scopes asked for"),
    key("oauth.droid.device_url", Kind::Text, "Where a device code is asked for"),
    key("oauth.droid.token_url", Kind::Text, "Where tokens are exchanged"),
    key("oauth.droid.client_id", Kind::Text, "Client id of the token exchange"),
    key("oauth.droid.organizations_url", Kind::Text, "Where the organizations of a subscription are read"),
];

/// The key with this path, static or dynamic.
pub fn find(path: &str) -> Option<Key> {
    STATIC.iter().copied().find(|key| key.path == path).or_else(|| {
        let info = Settings::catalogue().into_iter().find(|info| info.key == path)?;
        Some(key(info.key, Kind::Setting, info.description))
    })
}

/// Every path, for suggestions.
pub fn paths() -> Vec<&'static str> {
    let dynamic = Settings::catalogue().into_iter().map(|info| info.key);
    STATIC.iter().map(|key| key.path).chain(dynamic).collect()
}
