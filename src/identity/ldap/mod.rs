//! Login through an LDAP directory (`access.md` §6): a service account finds exactly one entry, then one bind as that entry
//! with the person's password. The password is never kept, and never sent before the directory has proved its name.

mod connect;
mod entry;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ldap3::{Ldap, LdapError, Scope, SearchEntry, SearchOptions};
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};

use super::person::Person;
use crate::store::io::IoRuntime;
use crate::store::users::Role;

pub use connect::TlsFault;
pub use entry::{Attributes, group_key};

/// The name of the placeholder in the search filter.
const PLACEHOLDER: &str = "{{username}}";
/// Result code of a wrong password.
const INVALID_CREDENTIALS: u32 = 49;
/// Result codes that say that this entry may not log in: inappropriate authentication, constraint violation (locked out),
/// insufficient access, unwilling to perform (no password set).
const REFUSED: [u32; 4] = [48, 19, 50, 53];
/// More entries than the size limit.
const SIZE_LIMIT_EXCEEDED: u32 = 4;

/// As what a person binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginFormat {
    /// The entry that was found.
    Dn,
    /// `user@domain`, the domain from the DC parts of the entry.
    Upn,
    /// `DOMAIN\user`.
    Domain,
}

/// How the directory is reached and read.
#[derive(Clone)]
pub struct Settings {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// The service account.
    pub bind_dn: String,
    /// Its password.
    pub bind_password: SecretString,
    /// Where people are.
    pub search_base: String,
    /// Finds one person; every `{{username}}` is replaced.
    pub search_filter: String,
    /// Longest wait for one answer.
    pub timeout: Duration,
    /// Longest wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Names of attributes.
    pub attributes: Attributes,
    /// Role by group, both as configured.
    pub roles: Vec<(String, Role)>,
    /// Role of everybody else.
    pub default_role: Role,
    /// As what a person binds.
    pub format: LoginFormat,
}

/// How the connection is protected.
#[derive(Clone)]
pub enum Security {
    /// TLS from the first byte.
    Tls(Tls),
    /// TLS after StartTLS.
    StartTls(Tls),
    /// None; only with the operator's explicit permission.
    Plain,
}

/// How TLS is done.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The certificate is checked.
    pub verify: bool,
    /// Further authorities, PEM.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key, PEM.
    pub client: Option<(PathBuf, PathBuf)>,
    /// The name in the certificate, when it is not the host's.
    pub server_name: Option<String>,
}

/// Why a person was not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// No such person, not exactly one, or the password is wrong: one answer for all.
    #[error("name or password is wrong")]
    Refused,
    /// The directory cannot be asked now. The text names no person and no secret.
    #[error("the directory is unavailable: {0}")]
    Unavailable(String),
}

impl From<LdapError> for DirectoryError {
    fn from(error: LdapError) -> Self {
        let text = match error {
            LdapError::Timeout { .. } => "no answer in time".to_owned(),
            LdapError::LdapResult { result } => format!("result code {}", result.rc),
            LdapError::Io { source } => source.to_string(),
            _ => "the connection failed".to_owned(),
        };
        Self::Unavailable(text)
    }
}

/// A directory. Clones share its TLS configuration.
#[derive(Clone)]
pub struct Directory {
    settings: Arc<Settings>,
    tls: Option<Arc<ClientConfig>>,
    io: IoRuntime,
}

impl Directory {
    /// Reads the certificates.
    ///
    /// # Errors
    /// When one cannot be used.
    pub fn new(settings: Settings, io: &IoRuntime) -> Result<Self, TlsFault> {
        let tls = match &settings.security {
            Security::Tls(tls) | Security::StartTls(tls) => connect::client_config(tls)?,
            Security::Plain => None,
        };
        Ok(Self { settings: Arc::new(settings), tls, io: io.clone() })
    }

    /// True when the name and password may be sent to a directory at all. An empty password would bind anonymously, which
    /// many servers report as a success.
    pub fn may_ask(username: &str, password: &SecretString) -> bool {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.@-".contains(&b);
        (1..=64).contains(&username.len())
            && username.bytes().all(plain)
            && !password.expose_secret().trim().is_empty()
            && !password.expose_secret().contains('\0')
    }

    /// Lets a person in with a password.
    ///
    /// # Errors
    /// Wrong, or the directory cannot tell.
    pub async fn authenticate(&self, username: &str, password: &SecretString) -> Result<Person, DirectoryError> {
        if !Self::may_ask(username, password) {
            return Err(DirectoryError::Refused);
        }
        let (this, username, password) = (self.clone(), username.to_owned(), password.clone());
        let task = self.io.run(async move { this.ask(&username, &password).await });
        task.await.map_err(|_| DirectoryError::Unavailable("the I/O runtime has stopped".to_owned()))?
    }

    /// Connects and binds as the service account, for `doctor`.
    ///
    /// # Errors
    /// When that fails.
    pub async fn probe(&self) -> Result<(), DirectoryError> {
        let this = self.clone();
        let task = self.io.run(async move { this.service().await.map(drop) });
        task.await.map_err(|_| DirectoryError::Unavailable("the I/O runtime has stopped".to_owned()))?
    }

    async fn ask(&self, username: &str, password: &SecretString) -> Result<Person, DirectoryError> {
        let mut service = self.service().await?;
        let entry = self.find(&mut service, username).await?;
        self.prove(&entry.dn, username, password).await?;
        let role = self.role(&mut service, &entry, username).await?;
        // The entry is read; a server that does not hear the good-bye closes the connection by itself.
        let _ = service.unbind().await;
        Ok(self.settings.attributes.person(&entry, username, role, !self.settings.roles.is_empty()))
    }

    /// A connection bound as the service account.
    async fn service(&self) -> Result<Ldap, DirectoryError> {
        let mut ldap = connect::open(&self.settings, self.tls.as_ref()).await?;
        if self.settings.bind_dn.is_empty() {
            return Ok(ldap);
        }
        let timed = ldap.with_timeout(self.settings.timeout);
        let bound = timed.simple_bind(&self.settings.bind_dn, self.settings.bind_password.expose_secret()).await?;
        if bound.rc != 0 {
            return Err(DirectoryError::Unavailable(format!("the service account is refused, code {}", bound.rc)));
        }
        Ok(ldap)
    }

    /// Exactly one entry.
    async fn find(&self, service: &mut Ldap, username: &str) -> Result<SearchEntry, DirectoryError> {
        let filter = self.settings.search_filter.replace(PLACEHOLDER, &ldap3::ldap_escape(username));
        let options = SearchOptions::new().sizelimit(2).timelimit(seconds(self.settings.timeout));
        let timed = service.with_search_options(options).with_timeout(self.settings.timeout);
        let wanted = self.settings.attributes.wanted();
        let answer = timed.search(&self.settings.search_base, Scope::Subtree, &filter, wanted).await?;
        if answer.1.rc != 0 && answer.1.rc != SIZE_LIMIT_EXCEEDED {
            return Err(DirectoryError::Unavailable(format!("the search failed, code {}", answer.1.rc)));
        }
        // References to other servers are not followed: they are no entries.
        let entries = answer.0.into_iter().filter(|entry| !entry.is_ref() && !entry.is_intermediate());
        let mut entries = entries.map(SearchEntry::construct);
        match (entries.next(), entries.next()) {
            (Some(entry), None) if !entry.dn.is_empty() && answer.1.rc == 0 => Ok(entry),
            _ => Err(DirectoryError::Refused),
        }
    }

    /// One bind on a connection of its own; several formats would multiply lock-out counts.
    async fn prove(&self, dn: &str, username: &str, password: &SecretString) -> Result<(), DirectoryError> {
        let mut ldap = connect::open(&self.settings, self.tls.as_ref()).await?;
        let name = entry::bind_name(self.settings.format, dn, username);
        let bound = ldap.with_timeout(self.settings.timeout).simple_bind(&name, password.expose_secret()).await?;
        let _ = ldap.unbind().await;
        match bound.rc {
            0 => Ok(()),
            rc if rc == INVALID_CREDENTIALS || REFUSED.contains(&rc) => Err(DirectoryError::Refused),
            rc => Err(DirectoryError::Unavailable(format!("the bind failed, code {rc}"))),
        }
    }

    /// The highest role of the person's groups, as the entry names them or as the groups name the person.
    async fn role(&self, service: &mut Ldap, found: &SearchEntry, username: &str) -> Result<Role, DirectoryError> {
        let named = self.settings.attributes.groups(found);
        let mut role = self.settings.default_role;
        for (group, gives) in &self.settings.roles {
            if *gives <= role {
                continue;
            }
            let member = named.contains(&group_key(group))
                || self.lists(service, group, &entry::member_filter(&found.dn, username)).await?;
            if member {
                role = *gives;
            }
        }
        Ok(role)
    }

    async fn lists(&self, service: &mut Ldap, group: &str, filter: &str) -> Result<bool, DirectoryError> {
        let timed = service.with_timeout(self.settings.timeout);
        let answer = timed.search(group, Scope::Base, filter, ["1.1"]).await?;
        // A group that is not there, or that the service account must not read, has no members that we know of.
        Ok(answer.1.rc == 0 && !answer.0.is_empty())
    }
}

fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_bind_anonymously_or_name_another_person_is_never_sent() {
        let may = |name: &str, password: &str| Directory::may_ask(name, &SecretString::from(password));
        assert!(may("ada", "secret") && may("ada@example.org", "x") && may("a.b-c_1", " x"));
        for password in ["", " ", "\t\n", "nul\0nul"] {
            assert!(!may("ada", password), "{password:?}");
        }
        for name in ["", "*", "*)(uid=*", "ada ", "a\\b", "ä", "a,b", &"x".repeat(65)] {
            assert!(!may(name, "secret"), "{name}");
        }
    }
}
