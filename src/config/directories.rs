//! Who else may vouch for a person: an LDAP directory (`ldap.*`) and an OpenID provider (`oidc.*`). Off unless enabled.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::reader::Reader;

/// Roles that an outside directory may give; `super_admin` is none of them.
const ROLES: [&str; 3] = ["user", "auditor", "admin"];

/// `ldap.*`
#[derive(Debug, Clone)]
pub struct Ldap {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS from the first byte.
    pub tls: bool,
    /// TLS after StartTLS.
    pub starttls: bool,
    /// The service account; empty = the search is anonymous.
    pub bind_dn: String,
    /// Its password.
    pub bind_password: SecretString,
    /// Where people are.
    pub search_base: String,
    /// Finds one person.
    pub search_filter: String,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Certificates.
    pub certificates: Certificates,
    /// Names of attributes.
    pub attributes: Attributes,
    /// Roles.
    pub roles: Roles,
    /// `dn`, `upn` or `domain`.
    pub login_format: String,
}

/// `ldap.tls.*`
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The server's certificate is checked.
    pub verify: bool,
    /// Further authorities.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// Name in the server's certificate.
    pub server_name: Option<String>,
}

/// `ldap.attrs.*`
#[derive(Debug, Clone)]
pub struct Attributes {
    /// User name.
    pub username: String,
    /// Shown name.
    pub display_name: String,
    /// E-mail address.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Groups.
    pub groups: String,
}

/// Roles of people from outside.
#[derive(Debug, Clone)]
pub struct Roles {
    /// Role by group.
    pub map: Vec<(String, String)>,
    /// Role of everybody else.
    pub default: String,
}

/// `oidc.*`
#[derive(Debug, Clone)]
pub struct Oidc {
    /// What the login page calls it.
    pub name: String,
    /// The provider's name, an `https` URL.
    pub issuer: String,
    /// What the provider knows us as.
    pub client_id: String,
    /// Proves that; none for a public client.
    pub client_secret: Option<SecretString>,
    /// Where the provider sends people back to.
    pub redirect_uri: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The claim that names groups.
    pub groups_claim: String,
    /// Roles.
    pub roles: Roles,
    /// People who were never here get a user.
    pub create_users: bool,
}

/// Reads `ldap.*`.
pub fn read_ldap(reader: &mut Reader<'_>) -> Option<Ldap> {
    if !reader.parsed::<bool>("ldap.enabled", "true or false") {
        return None;
    }
    let (tls, host, port) = read_address(reader)?;
    let starttls = !tls && reader.parsed::<bool>("ldap.starttls", "true or false");
    if !tls && !starttls && !reader.parsed::<bool>("ldap.allow_insecure", "true or false") {
        reader.problem("ldap.url", "sends passwords in the clear; use ldaps://, ldap.starttls, or ldap.allow_insecure");
    }
    let search_filter = required(reader, "ldap.search_filter");
    if !search_filter.contains("{{username}}") {
        reader.problem("ldap.search_filter", "must contain {{username}}");
    }
    let bind_dn = reader.text("ldap.bind_dn");
    let bind_password = reader.secret("ldap.bind_password");
    if bind_dn.is_empty() != bind_password.is_none() {
        reader.problem("ldap.bind_password", "belongs to ldap.bind_dn; set both, or neither for an anonymous search");
    }
    Some(Ldap {
        host,
        port,
        tls,
        starttls,
        bind_dn,
        bind_password: bind_password.unwrap_or_default(),
        search_base: required(reader, "ldap.search_base"),
        search_filter,
        timeout: Duration::from_millis(reader.number("ldap.timeout_ms", 100, 60_000)),
        connect_timeout: Duration::from_millis(reader.number("ldap.connect_timeout_ms", 100, 60_000)),
        certificates: read_certificates(reader),
        attributes: Attributes {
            username: required(reader, "ldap.attrs.username"),
            display_name: reader.text("ldap.attrs.display_name"),
            email: reader.text("ldap.attrs.email"),
            first_name: reader.text("ldap.attrs.first_name"),
            last_name: reader.text("ldap.attrs.last_name"),
            groups: reader.text("ldap.attrs.groups"),
        },
        roles: read_roles(reader, "ldap.group_role_map", "ldap.default_role"),
        login_format: reader.word("ldap.ad_login_format", &["dn", "upn", "domain"]),
    })
}

fn required(reader: &mut Reader<'_>, path: &str) -> String {
    reader.optional(path).unwrap_or_else(|| {
        reader.problem(path, "must be set");
        String::new()
    })
}

/// TLS, host and port of `ldap.url`.
fn read_address(reader: &mut Reader<'_>) -> Option<(bool, String, u16)> {
    let url = reader.text("ldap.url");
    let parsed = parse_address(&url);
    if parsed.is_none() {
        reader.problem("ldap.url", "must be ldaps://HOST[:PORT] or ldap://HOST[:PORT]");
    }
    parsed
}

fn parse_address(url: &str) -> Option<(bool, String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let tls = match scheme {
        "ldaps" => true,
        "ldap" => false,
        _ => return None,
    };
    let rest = rest.trim_end_matches('/');
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.contains(']') => (host, port.parse().ok()?),
        _ => (rest, if tls { 636 } else { 389 }),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let plain = !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']);
    (plain && port != 0).then(|| (tls, host.to_owned(), port))
}

fn read_certificates(reader: &mut Reader<'_>) -> Certificates {
    let mut file = |path: &str| reader.optional(path).map(PathBuf::from);
    let (ca_file, certificate, key) = (file("ldap.tls.ca_file"), file("ldap.tls.cert_file"), file("ldap.tls.key_file"));
    if certificate.is_some() != key.is_some() {
        reader.problem("ldap.tls.key_file", "belongs to ldap.tls.cert_file; set both or neither");
    }
    let verify: bool = reader.parsed("ldap.tls.verify", "true or false");
    if !verify && (ca_file.is_some() || certificate.is_some()) {
        reader.problem("ldap.tls.verify", "must be true when certificates are configured");
    }
    let server_name = reader.optional("ldap.tls.server_name");
    Certificates { verify, ca_file, client: certificate.zip(key), server_name }
}

/// A list of `{group, role}`, or in the environment also an object `{"group": "role"}`.
fn read_roles(reader: &mut Reader<'_>, map: &str, default: &str) -> Roles {
    let value = reader.json(map);
    let pairs: Option<Vec<(String, String)>> = match &value {
        serde_json::Value::Array(items) => items
            .iter()
            .map(|item| Some((item.get("group")?.as_str()?.to_owned(), item.get("role")?.as_str()?.to_owned())))
            .collect(),
        serde_json::Value::Object(pairs) => {
            pairs.iter().map(|(group, role)| Some((group.clone(), role.as_str()?.to_owned()))).collect()
        }
        _ => None,
    };
    let pairs = pairs.filter(|pairs| pairs.iter().all(|(_, role)| ROLES.contains(&role.as_str())));
    if pairs.is_none() {
        reader.problem(map, format!("must be a list of {{group, role}} with roles out of {}", ROLES.join(", ")));
    }
    Roles { map: pairs.unwrap_or_default(), default: reader.word(default, &ROLES) }
}

/// Reads `oidc.*`.
pub fn read_oidc(reader: &mut Reader<'_>) -> Option<Oidc> {
    if !reader.parsed::<bool>("oidc.enabled", "true or false") {
        return None;
    }
    let base = reader.optional("server.public_url");
    let redirect = reader.optional("oidc.redirect_uri");
    let redirect_uri = redirect
        .or_else(|| base.map(|base| format!("{}/api/v1/auth/oidc/callback", base.trim_end_matches('/'))))
        .unwrap_or_else(|| {
            reader.problem("oidc.redirect_uri", "must be set, or server.public_url");
            String::new()
        });
    Some(Oidc {
        name: reader.text("oidc.name"),
        issuer: required(reader, "oidc.issuer"),
        client_id: required(reader, "oidc.client_id"),
        client_secret: reader.secret("oidc.client_secret"),
        redirect_uri,
        scopes: reader.list("oidc.scopes"),
        groups_claim: reader.text("oidc.groups_claim"),
        roles: read_roles(reader, "oidc.group_role_map", "oidc.default_role"),
        create_users: reader.parsed("oidc.create_users", "true or false"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_scheme_a_host_and_perhaps_a_port() {
        let parsed = parse_address;
        assert_eq!(parsed("ldaps://dir.example.org"), Some((true, "dir.example.org".into(), 636)));
        assert_eq!(parsed("ldap://10.0.0.1:1389/"), Some((false, "10.0.0.1".into(), 1_389)));
        assert_eq!(parsed("ldap://[::1]"), Some((false, "::1".into(), 389)));
        assert_eq!(parsed("ldaps://[::1]:700"), Some((true, "::1".into(), 700)));
        for bad in
            ["", "dir.example.org", "http://dir", "ldap://", "ldap://a@b", "ldap://a:0", "ldap://a:x", "ldap://a/b"]
        {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
