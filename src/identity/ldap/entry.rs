//! Reads an entry: attributes, groups, and the name to bind as.

use std::collections::BTreeSet;

use ldap3::{SearchEntry, ldap_escape};

use super::LoginFormat;
use crate::identity::person::Person;
use crate::store::users::Role;

/// Names of attributes.
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
    /// Groups that the person is in, as DNs.
    pub groups: String,
}

impl Attributes {
    pub(super) fn wanted(&self) -> Vec<&str> {
        let all = [&self.username, &self.display_name, &self.email, &self.first_name, &self.last_name, &self.groups];
        all.into_iter().map(String::as_str).filter(|name| !name.is_empty()).collect()
    }

    /// What the entry says about the person.
    pub(super) fn person(&self, entry: &SearchEntry, typed: &str, role: Role, role_is_mapped: bool) -> Person {
        let username = first(entry, &self.username).unwrap_or_else(|| typed.to_owned());
        let names = [first(entry, &self.first_name), first(entry, &self.last_name)];
        let whole = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let shown = first(entry, &self.display_name).or(Some(whole).filter(|name| !name.is_empty()));
        Person {
            display_name: shown.unwrap_or_else(|| username.clone()),
            email: first(entry, &self.email),
            username,
            role,
            role_is_mapped,
        }
    }

    pub(super) fn groups(&self, entry: &SearchEntry) -> BTreeSet<String> {
        let own = entry.attrs.iter().filter(|(name, _)| name.eq_ignore_ascii_case(&self.groups));
        own.flat_map(|(_, values)| values.iter().map(|group| group_key(group))).collect()
    }
}

/// The first value that says something. Servers answer in their own spelling of a name.
fn first(entry: &SearchEntry, attribute: &str) -> Option<String> {
    let (_, values) = entry.attrs.iter().find(|(name, _)| name.eq_ignore_ascii_case(attribute))?;
    values.iter().map(|value| value.trim().to_owned()).find(|value| !value.is_empty())
}

/// A DN in the one spelling in which DNs are compared: case and spaces around separators do not count.
pub fn group_key(dn: &str) -> String {
    let parts = dn.split(',').map(|part| match part.split_once('=') {
        Some((name, value)) => format!("{}={}", name.trim(), value.trim()),
        None => part.trim().to_owned(),
    });
    parts.collect::<Vec<_>>().join(",").to_lowercase()
}

/// True for a group that has the person as a member, in any of the usual schemas.
pub(super) fn member_filter(dn: &str, username: &str) -> String {
    let (dn, name) = (ldap_escape(dn), ldap_escape(username));
    format!("(|(member={dn})(uniqueMember={dn})(memberUid={name}))")
}

/// The name to bind as.
pub(super) fn bind_name(format: LoginFormat, dn: &str, username: &str) -> String {
    let domain: Vec<&str> = dn
        .split(',')
        .filter_map(|part| part.trim().split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("dc"))
        .map(|(_, value)| value.trim())
        .collect();
    let user = username.split('@').next().unwrap_or(username);
    match (format, domain.first()) {
        (LoginFormat::Upn, Some(_)) => format!("{user}@{}", domain.join(".")),
        (LoginFormat::Domain, Some(first)) => format!("{}\\{user}", first.to_uppercase()),
        _ => dn.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn attributes() -> Attributes {
        let own = |name: &str| name.to_owned();
        Attributes {
            username: own("uid"),
            display_name: own("cn"),
            email: own("mail"),
            first_name: own("givenName"),
            last_name: own("sn"),
            groups: own("memberOf"),
        }
    }

    fn entry(values: &[(&str, &[&str])]) -> SearchEntry {
        let attrs =
            values.iter().map(|(name, all)| ((*name).to_owned(), all.iter().map(|v| (*v).to_owned()).collect()));
        SearchEntry { dn: "uid=ada,dc=example,dc=org".to_owned(), attrs: attrs.collect(), bin_attrs: HashMap::new() }
    }

    #[test]
    fn a_missing_name_is_made_of_first_and_last_and_then_of_the_user_name() {
        let read = |values: &[(&str, &[&str])]| attributes().person(&entry(values), "typed", Role::User, false);
        assert_eq!(read(&[("CN", &["Ada L.", "other"]), ("uid", &["ada"])]).display_name, "Ada L.");
        assert_eq!(read(&[("givenname", &["Ada"]), ("sn", &["Lovelace"])]).display_name, "Ada Lovelace");
        let bare = read(&[("cn", &["  "]), ("mail", &["", "a@b.example"])]);
        assert_eq!((bare.display_name.as_str(), bare.email.as_deref()), ("typed", Some("a@b.example")));
    }

    #[test]
    fn groups_are_compared_without_case_and_spaces() {
        let person = entry(&[("MEMBEROF", &["CN=Ops Team, OU=Groups ,dc=example,dc=org"])]);
        assert!(attributes().groups(&person).contains(&group_key("cn=ops team,ou=groups,DC=Example,DC=org")));
    }

    #[test]
    fn names_to_bind_as_have_one_format_each() {
        let dn = "CN=Ada Lovelace,OU=People,DC=corp,DC=example,DC=org";
        assert_eq!(bind_name(LoginFormat::Dn, dn, "ada"), dn);
        assert_eq!(bind_name(LoginFormat::Upn, dn, "ada"), "ada@corp.example.org");
        assert_eq!(bind_name(LoginFormat::Domain, dn, "ada@corp"), "CORP\\ada");
        assert_eq!(bind_name(LoginFormat::Upn, "uid=ada", "ada"), "uid=ada");
    }

    #[test]
    fn a_filter_cannot_be_left() {
        let filter = member_filter("cn=a*b(c)\\", "x)(uid=*");
        assert_eq!(filter.matches(['(', ')']).count(), 8, "{filter}");
        assert!(filter.contains("x\\29\\28uid=\\2a"), "{filter}");
    }
}
