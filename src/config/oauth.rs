//! Vendors' OAuth values (`oauth.<type>.*`): documented defaults, not ours. No client secret is among them.

use secrecy::SecretString;

use super::reader::Reader;

/// OAuth values of every account type that has tokens.
#[derive(Debug, Clone)]
pub struct Oauth {
    /// Anthropic.
    pub claude_official: ClaudeOfficial,
    /// ChatGPT.
    pub codex: Codex,
    /// Google Code Assist.
    pub gemini: Gemini,
    /// Factory.
    pub droid: Droid,
}

/// A vendor whose owners authorise by a link.
#[derive(Debug, Clone)]
pub struct Linked {
    /// Where an owner authorises.
    pub authorize_url: String,
    /// Where tokens are exchanged.
    pub token_url: String,
    /// Client id.
    pub client_id: String,
    /// Redirect of the authorisation.
    pub redirect_uri: String,
    /// Scopes.
    pub scopes: Vec<String>,
}

/// `oauth.claude-official.*`
#[derive(Debug, Clone)]
pub struct ClaudeOfficial {
    /// The link.
    pub link: Linked,
    /// Usage of a subscription.
    pub usage_url: String,
}

/// `oauth.codex.*`
#[derive(Debug, Clone)]
pub struct Codex {
    /// The link.
    pub link: Linked,
    /// Usage of a subscription.
    pub usage_url: String,
}

/// `oauth.gemini.*`
#[derive(Debug, Clone)]
pub struct Gemini {
    /// The link.
    pub link: Linked,
    /// Google wants one; the operator supplies it.
    pub client_secret: Option<SecretString>,
}

/// `oauth.droid.*`
#[derive(Debug, Clone)]
pub struct Droid {
    /// Where a device code is asked for.
    pub device_url: String,
    /// Where tokens are exchanged.
    pub token_url: String,
    /// Client id.
    pub client_id: String,
    /// Organizations of a subscription.
    pub organizations_url: String,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Oauth {
    Oauth {
        claude_official: ClaudeOfficial {
            link: linked(reader, "claude-official"),
            usage_url: address(reader, "oauth.claude-official.usage_url"),
        },
        codex: Codex { link: linked(reader, "codex"), usage_url: address(reader, "oauth.codex.usage_url") },
        gemini: Gemini { link: linked(reader, "gemini"), client_secret: reader.secret("oauth.gemini.client_secret") },
        droid: Droid {
            device_url: address(reader, "oauth.droid.device_url"),
            token_url: address(reader, "oauth.droid.token_url"),
            client_id: reader.text("oauth.droid.client_id"),
            organizations_url: address(reader, "oauth.droid.organizations_url"),
        },
    }
}

fn linked(reader: &mut Reader<'_>, kind: &str) -> Linked {
    let path = |name: &str| format!("oauth.{kind}.{name}");
    Linked {
        authorize_url: address(reader, &path("authorize_url")),
        token_url: address(reader, &path("token_url")),
        client_id: reader.text(&path("client_id")),
        redirect_uri: address(reader, &path("redirect_uri")),
        scopes: reader.list(&path("scopes")),
    }
}

/// Whether it may be called is decided when it is dialled.
fn address(reader: &mut Reader<'_>, path: &str) -> String {
    let text = reader.text(path);
    if !text.is_empty() && !text.starts_with("https://") && !text.starts_with("http://") {
        reader.problem(path, "must start with https:// or http://");
    }
    text
}
