//! The configured directory and provider, as `identity` and `onboarding` take them.

use std::sync::Arc;

use super::Parts;
use crate::config::Config;
use crate::config::directories::{Ldap, Roles};
use crate::identity::ldap::{Attributes, Directory, LoginFormat, Security, Settings, Tls, TlsFault};
use crate::onboarding::oidc::{self, Provider};
use crate::store::io::IoRuntime;
use crate::store::users::Role;

/// The LDAP directory, if there is one.
///
/// # Errors
/// When a certificate cannot be used.
pub fn ldap(config: &Config, io: &IoRuntime) -> Result<Option<Directory>, TlsFault> {
    config.ldap.as_ref().map(|ldap| Directory::new(settings(ldap), io)).transpose()
}

/// The OpenID provider, if there is one. It is not asked yet: it may be down while we start.
pub fn oidc(config: &Config, parts: &Parts) -> Option<Arc<Provider>> {
    let oidc = config.oidc.clone()?;
    let (roles, default_role) = roles(&oidc.roles);
    let settings = oidc::Settings {
        name: oidc.name,
        issuer: oidc.issuer,
        client_id: oidc.client_id,
        client_secret: oidc.client_secret,
        redirect_uri: oidc.redirect_uri,
        scopes: oidc.scopes,
        groups_claim: oidc.groups_claim,
        roles,
        default_role,
        create_users: oidc.create_users,
    };
    Some(Arc::new(Provider::new(settings, parts.vendor.egress.clone(), parts.engine.clock.clone())))
}

fn settings(ldap: &Ldap) -> Settings {
    let (roles, default_role) = roles(&ldap.roles);
    let tls = Tls {
        verify: ldap.certificates.verify,
        ca_file: ldap.certificates.ca_file.clone(),
        client: ldap.certificates.client.clone(),
        server_name: ldap.certificates.server_name.clone(),
    };
    let names = ldap.attributes.clone();
    Settings {
        host: ldap.host.clone(),
        port: ldap.port,
        security: match (ldap.tls, ldap.starttls) {
            (true, _) => Security::Tls(tls),
            (false, true) => Security::StartTls(tls),
            (false, false) => Security::Plain,
        },
        bind_dn: ldap.bind_dn.clone(),
        bind_password: ldap.bind_password.clone(),
        search_base: ldap.search_base.clone(),
        search_filter: ldap.search_filter.clone(),
        timeout: ldap.timeout,
        connect_timeout: ldap.connect_timeout,
        attributes: Attributes {
            username: names.username,
            display_name: names.display_name,
            email: names.email,
            first_name: names.first_name,
            last_name: names.last_name,
            groups: names.groups,
        },
        roles,
        default_role,
        format: match ldap.login_format.as_str() {
            "upn" => LoginFormat::Upn,
            "domain" => LoginFormat::Domain,
            _ => LoginFormat::Dn,
        },
    }
}

/// The configuration knows role names only and has checked them.
fn roles(roles: &Roles) -> (Vec<(String, Role)>, Role) {
    let map = roles.map.iter().filter_map(|(group, role)| Some((group.clone(), Role::parse(role)?)));
    (map.collect(), Role::parse(&roles.default).unwrap_or(Role::User))
}
