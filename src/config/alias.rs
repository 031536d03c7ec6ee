//! Variable names of predecessors. They still work, with a warning that names the key to use; the canonical name wins.

use super::layers::{Layers, variable};

const ALIASES: [(&str, &str); 8] = [
    ("ENCRYPTION_KEY", "security.master_key"),
    ("JWT_SECRET", "security.jwt_secret"),
    ("MYSQL_DSN", "database.url"),
    ("REDIS_URL", "cache.url"),
    ("LOG_LEVEL", "log.level"),
    ("REQUEST_MAX_SIZE_MB", "request.max_mb"),
    ("ADMIN_USERNAME", "admin.username"),
    ("ADMIN_PASSWORD", "admin.password"),
];

/// Takes the value of an old name, unless the new one is set too.
pub fn apply(layers: &mut Layers, name: &str, value: &str, canonical: &[(String, String)]) {
    if name == "GLOBAL_PROXY_KEYS" || name.starts_with("LDAP_") {
        layers.warnings.push(format!("{name} is ignored: this version has no such feature yet"));
        return;
    }
    let Some((_, path)) = ALIASES.iter().find(|(alias, _)| *alias == name) else { return };
    let new = variable(path);
    if canonical.iter().any(|(other, _)| *other == new || *other == format!("{new}_FILE")) {
        layers.warnings.push(format!("{name} is ignored because {new} is set"));
        return;
    }
    layers.warnings.push(format!("{name} is an old name; use {new}"));
    let value = if name == "MYSQL_DSN" { mysql_url(value) } else { value.to_owned() };
    layers.add_text(path, &value, name);
}

/// Turns a Go data source name, `user:password@tcp(host:port)/database?…`, into a URL; its options do not apply here.
fn mysql_url(dsn: &str) -> String {
    if dsn.contains("://") {
        return dsn.to_owned();
    }
    let Some((user, rest)) = dsn.rsplit_once("@tcp(") else { return format!("mysql://{dsn}") };
    let Some((host, database)) = rest.split_once(")/") else { return format!("mysql://{dsn}") };
    let database = database.split('?').next().unwrap_or(database);
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    format!("mysql://{}:{}@{host}/{database}", percent_encode(name), percent_encode(password))
}

fn percent_encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_source_name_becomes_a_url() {
        let dsn = "quota:p@ss:w/d@tcp(db:3306)/quotalane?parseTime=true&loc=Local";
        assert_eq!(mysql_url(dsn), "mysql://quota:p%40ss%3Aw%2Fd@db:3306/quotalane");
        assert_eq!(mysql_url("mysql://a@b/c"), "mysql://a@b/c");
    }
}
