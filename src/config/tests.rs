//! Configuration from end to end: layers, faults, aliases, masking.

use super::*;

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const KEY: (&str, &str) = ("QUOTALANE_SECURITY__MASTER_KEY", "0123456789abcdef0123456789abcdef");
const JWT: (&str, &str) = ("QUOTALANE_SECURITY__JWT_SECRET", "fedcba9876543210fedcba9876543210");

#[test]
fn defaults_are_complete() {
    let config = Config::load_with(&[], &env(&[KEY, JWT]), Need::Secrets).unwrap();
    assert_eq!(config.server.listen.port(), 8000);
    assert!(config.server.workers >= 1);
    assert!(config.database.auto_migrate);
    assert_eq!(config.shutdown.grace, Duration::from_secs(120));
    assert_eq!(config.oauth.claude_official.link.scopes.len(), 6);
    assert!(config.oauth.gemini.client_secret.is_none(), "no client secret is shipped");
    for key in keys::STATIC {
        assert!(config.entries.iter().any(|entry| entry.key == key.path), "{} has no default", key.path);
    }
}

#[test]
fn every_problem_is_named_at_once_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.yaml");
    std::fs::write(&file, "server:\n  worker: 3\ndatabase:\n  url: postgres://x\n").unwrap();
    let problems = Config::load_with(std::slice::from_ref(&file), &env(&[]), Need::Secrets).unwrap_err().to_string();
    assert!(problems.contains("4 problems"), "{problems}");
    assert!(
        problems.contains("bad.yaml:2: unknown key \"server.worker\", did you mean \"server.workers\"?"),
        "{problems}"
    );
    assert!(problems.contains("bad.yaml:4 (database.url): must start with"), "{problems}");
    assert!(problems.contains("QUOTALANE_SECURITY__MASTER_KEY"), "{problems}");
    assert!(problems.contains("QUOTALANE_SECURITY__JWT_SECRET"), "{problems}");
}

#[test]
fn later_layers_win_and_say_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("one.yaml");
    std::fs::write(&file, "server:\n  workers: 2\n  max_in_flight: 7\nsticky:\n  ttl_min: 5\n").unwrap();
    let vars = env(&[("QUOTALANE_SERVER__WORKERS", "3"), ("QUOTALANE_SETTINGS__QUEUE__MAX_TOTAL", "9")]);
    let config = Config::load_with(&[file], &vars, Need::Nothing).unwrap();
    assert_eq!((config.server.workers, config.server.max_in_flight), (3, 7));
    let workers = config.entries.iter().find(|entry| entry.key == "server.workers").unwrap();
    assert_eq!((workers.value.as_str(), workers.source.as_str()), ("3", "env"));
    assert_eq!(config.settings.base["sticky.ttl_min"], Value::from(5));
    assert_eq!(config.settings.locked["queue.max_total"], Value::from(9));
}

#[test]
fn settings_of_every_type_come_from_the_environment() {
    let vars = env(&[
        ("QUOTALANE_SETTINGS__NETWORK__ALLOW_PRIVATE_CIDRS", "127.0.0.0/8, 10.0.0.0/8"),
        ("QUOTALANE_SETTINGS__BREAKER__BACKOFF_MIN", "[1,2]"),
        ("QUOTALANE_SETTINGS__ACCOUNTS__OAUTH_ENABLED", "true"),
        ("QUOTALANE_SITE__TIMEZONE", "Asia/Shanghai"),
    ]);
    let config = Config::load_with(&[], &vars, Need::Nothing).unwrap();
    let cidrs = serde_json::json!(["127.0.0.0/8", "10.0.0.0/8"]);
    assert_eq!(config.settings.locked["network.allow_private_cidrs"], cidrs);
    assert_eq!(config.settings.locked["breaker.backoff_min"], serde_json::json!([1, 2]));
    assert_eq!(config.settings.locked["accounts.oauth_enabled"], Value::from(true));
    assert_eq!(config.settings.base["site.timezone"], Value::from("Asia/Shanghai"));
    let bad = env(&[("QUOTALANE_SETTINGS__STICKY__TTL_MIN", "soon")]);
    assert!(Config::load_with(&[], &bad, Need::Nothing).unwrap_err().to_string().contains("whole number"));
}

#[test]
fn numeric_looking_secrets_stay_texts_and_files_give_values() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "01234567890123456789012345678901\n").unwrap();
    let path = file.display().to_string();
    let vars = env(&[("QUOTALANE_SECURITY__MASTER_KEY_FILE", &path), JWT]);
    let config = Config::load_with(&[], &vars, Need::Secrets).unwrap();
    assert_eq!(config.security.master_key.unwrap().expose_secret(), "01234567890123456789012345678901");
    let both = env(&[("QUOTALANE_SECURITY__MASTER_KEY_FILE", &path), KEY, JWT]);
    assert!(Config::load_with(&[], &both, Need::Secrets).unwrap_err().to_string().contains("set only one"));
}

#[test]
fn old_names_work_with_a_warning_and_lose_to_new_ones() {
    let vars = env(&[("ENCRYPTION_KEY", KEY.1), ("JWT_SECRET", JWT.1), ("REQUEST_MAX_SIZE_MB", "20")]);
    let config = Config::load_with(&[], &vars, Need::Secrets).unwrap();
    assert_eq!(config.warnings.len(), 3);
    assert_eq!(config.settings.base["request.max_mb"], Value::from(20));
    let vars = env(&[("LOG_LEVEL", "trace"), ("QUOTALANE_LOG__LEVEL", "warn")]);
    assert_eq!(Config::load_with(&[], &vars, Need::Nothing).unwrap().log.filter, "warn");
}

#[test]
fn variables_for_scripts_are_no_configuration_and_typos_are_pointed_out() {
    let vars = env(&[("QUOTALANE_API_KEY", "cr_x"), ("QUOTALANE_SERVER_LISTEN", "127.0.0.1:1")]);
    let config = Config::load_with(&[], &vars, Need::Nothing).unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert!(config.warnings[0].contains("QUOTALANE_SERVER__LISTEN"));
    let unknown = env(&[("QUOTALANE_SERVER__LISTN", "x")]);
    assert!(Config::load_with(&[], &unknown, Need::Nothing).unwrap_err().to_string().contains("did you mean"));
}

#[test]
fn vendors_oauth_values_can_be_changed() {
    let vars = env(&[
        ("QUOTALANE_OAUTH__CODEX__TOKEN_URL", "http://127.0.0.1:9/token"),
        ("QUOTALANE_OAUTH__GEMINI__CLIENT_SECRET", "GOCSPX-hush"),
        ("QUOTALANE_OAUTH__DROID__CLIENT_ID", "client_x"),
    ]);
    let config = Config::load_with(&[], &vars, Need::Nothing).unwrap();
    assert_eq!(config.oauth.codex.link.token_url, "http://127.0.0.1:9/token");
    assert_eq!(config.oauth.gemini.client_secret.as_ref().unwrap().expose_secret(), "GOCSPX-hush");
    assert_eq!(config.oauth.droid.client_id, "client_x");
    assert!(!(serde_json::to_string(&config.entries).unwrap() + &format!("{config:?}")).contains("hush"));
    let bad = env(&[("QUOTALANE_OAUTH__DROID__DEVICE_URL", "ftp://x")]);
    assert!(Config::load_with(&[], &bad, Need::Nothing).unwrap_err().to_string().contains("must start with https://"));
}

#[test]
fn printed_values_hold_no_secret() {
    let url = ("QUOTALANE_DATABASE__URL", "mysql://user:hunter2@db:3306/ql?password=x");
    let config = Config::load_with(&[], &env(&[KEY, JWT, url]), Need::Secrets).unwrap();
    let text = serde_json::to_string(&config.entries).unwrap() + &format!("{config:?}");
    for secret in [KEY.1, JWT.1, "hunter2", "password=x"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(text.contains("mysql://***@db:3306/ql"));
}

#[test]
fn an_origin_has_no_path() {
    for origin in ["*", "https://chat.example", "http://localhost:3000", "https://[::1]:8443"] {
        assert!(is_origin(origin), "{origin}");
    }
    for other in ["", "chat.example", "https://", "https://a/b", "https://a?b", "null", "https://a b", "ftp://a"] {
        assert!(!is_origin(other), "{other}");
    }
}
