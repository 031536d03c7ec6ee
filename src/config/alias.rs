//! Variable names of predecessors. They still work, with a warning that names the key to use; the canonical name wins.

use super::layers::{Layers, variable};

const ALIASES: [(&str, &str); 26] = [
    ("ENCRYPTION_KEY", "security.master_key"),
    ("JWT_SECRET", "security.jwt_secret"),
    ("MYSQL_DSN", "database.url"),
    ("REDIS_URL", "cache.url"),
    ("LOG_LEVEL", "log.level"),
    ("REQUEST_MAX_SIZE_MB", "request.max_mb"),
    ("ADMIN_USERNAME", "admin.username"),
    ("ADMIN_PASSWORD", "admin.password"),
    ("LDAP_ENABLED", "ldap.enabled"),
    ("LDAP_URL", "ldap.url"),
    ("LDAP_BIND_DN", "ldap.bind_dn"),
    ("LDAP_BIND_PASSWORD", "ldap.bind_password"),
    ("LDAP_SEARCH_BASE", "ldap.search_base"),
    ("LDAP_SEARCH_FILTER", "ldap.search_filter"),
    ("LDAP_TIMEOUT", "ldap.timeout_ms"),
    ("LDAP_CONNECT_TIMEOUT", "ldap.connect_timeout_ms"),
    ("LDAP_TLS_REJECT_UNAUTHORIZED", "ldap.tls.verify"),
    ("LDAP_TLS_CA_FILE", "ldap.tls.ca_file"),
    ("LDAP_TLS_CERT_FILE", "ldap.tls.cert_file"),
    ("LDAP_TLS_KEY_FILE", "ldap.tls.key_file"),
    ("LDAP_TLS_SERVERNAME", "ldap.tls.server_name"),
    ("LDAP_USER_ATTR_USERNAME", "ldap.attrs.username"),
    ("LDAP_USER_ATTR_DISPLAY_NAME", "ldap.attrs.display_name"),
    ("LDAP_USER_ATTR_EMAIL", "ldap.attrs.email"),
    ("LDAP_USER_ATTR_FIRST_NAME", "ldap.attrs.first_name"),
    ("LDAP_USER_ATTR_LAST_NAME", "ldap.attrs.last_name"),
];

/// Takes the value of an old name, unless the new one is set too.
pub fn apply(layers: &mut Layers, name: &str, value: &str, canonical: &[(String, String)]) {
    if name == "GLOBAL_PROXY_KEYS" {
        layers.warnings.push(format!("{name} is ignored: this version has no such feature yet"));
        return;
    }
    let Some((_, path)) = ALIASES.iter().find(|(alias, _)| *alias == name) else {
        if name.starts_with("LDAP_") {
            layers.warnings.push(format!("{name} is ignored: there is no such setting"));
        }
        return;
    };
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
