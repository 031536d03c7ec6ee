//! The configured OAuth values, as the OAuth engine takes them.

use crate::config::Config;
use crate::config::oauth::Linked;
use crate::upstream::oauth::{OAuthBook, OAuthConfig, USER_AGENT};

/// The values of every kind.
pub fn book(config: &Config) -> OAuthBook {
    let oauth = &config.oauth;
    OAuthBook {
        user_agent: USER_AGENT.to_owned(),
        claude_official: linked(&oauth.claude_official.link, &oauth.claude_official.usage_url),
        codex: linked(&oauth.codex.link, &oauth.codex.usage_url),
        gemini: OAuthConfig { client_secret: oauth.gemini.client_secret.clone(), ..linked(&oauth.gemini.link, "") },
        droid: OAuthConfig {
            authorize_url: oauth.droid.device_url.clone(),
            token_url: oauth.droid.token_url.clone(),
            client_id: oauth.droid.client_id.clone(),
            client_secret: None,
            redirect_uri: String::new(),
            scopes: Vec::new(),
            account_url: oauth.droid.organizations_url.clone(),
        },
    }
}

fn linked(link: &Linked, account_url: &str) -> OAuthConfig {
    OAuthConfig {
        authorize_url: link.authorize_url.clone(),
        token_url: link.token_url.clone(),
        client_id: link.client_id.clone(),
        client_secret: None,
        redirect_uri: link.redirect_uri.clone(),
        scopes: link.scopes.clone(),
        account_url: account_url.to_owned(),
    }
}
