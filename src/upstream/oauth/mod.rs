//! The OAuth engine of every kind that has tokens (`upstreams.md` §1.7): builds the requests and reads the answers. Sends
//! nothing. What differs between vendors is one [`Manner`] per kind and values that the operator may change.

pub mod kinds;

pub mod authorize;
pub mod paste;
pub mod pkce;

pub mod device;
pub mod exchange;
pub mod refresh;

pub mod answer;
pub mod claims;
pub mod outcome;

pub mod code_assist;
pub mod organization;

mod request;

#[cfg(test)]
mod tests;

use actors::domain::account::AccountKind;
use secrecy::SecretString;

pub use answer::Granted;
pub use kinds::{Flow, Manner, manner};
pub use outcome::{Class, Failure};

/// Option of an account: the ChatGPT account that its tokens belong to.
pub const CHATGPT_ACCOUNT_ID: &str = "chatgpt_account_id";
/// Option of an account: the Google Cloud project of its Code Assist subscription.
pub const PROJECT_ID: &str = "project_id";
/// Option of an account: the organization of its Factory subscription.
pub const ORGANIZATION_ID: &str = "organization_id";

/// A vendor's OAuth values; configuration (`oauth.<type>.*`). `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct OAuthConfig {
    /// Where an owner authorises; of the device flow: where a device code is asked for.
    pub authorize_url: String,
    /// Token endpoint.
    pub token_url: String,
    /// Public client id.
    pub client_id: String,
    /// The client's secret, where the vendor wants one. None is shipped.
    pub client_secret: Option<SecretString>,
    /// Where the vendor sends the owner back to; empty in the device flow.
    pub redirect_uri: String,
    /// Scopes asked for.
    pub scopes: Vec<String>,
    /// A free GET that tells about the account: its usage, or its organizations. Empty = there is none.
    pub account_url: String,
}

/// The values of every kind.
#[derive(Debug, Clone)]
pub struct OAuthBook {
    /// `user-agent` of our own calls.
    pub user_agent: String,
    /// Anthropic.
    pub claude_official: OAuthConfig,
    /// ChatGPT.
    pub codex: OAuthConfig,
    /// Google Code Assist.
    pub gemini: OAuthConfig,
    /// Factory.
    pub droid: OAuthConfig,
}

/// What our own calls say they are.
pub const USER_AGENT: &str = concat!("QuotaLane/", env!("CARGO_PKG_VERSION"));

impl OAuthBook {
    /// The values of a kind; `None` when it has no tokens.
    pub const fn of(&self, kind: AccountKind) -> Option<&OAuthConfig> {
        match kind {
            AccountKind::ClaudeOfficial => Some(&self.claude_official),
            AccountKind::Codex => Some(&self.codex),
            AccountKind::Gemini => Some(&self.gemini),
            AccountKind::Droid => Some(&self.droid),
            AccountKind::ClaudeConsole
            | AccountKind::Ccr
            | AccountKind::Bedrock
            | AccountKind::GeminiApi
            | AccountKind::OpenAi
            | AccountKind::OpenAiResponses
            | AccountKind::AzureOpenAi => None,
        }
    }

    /// What is needed to speak about tokens of a kind; `None` when it has no tokens.
    pub const fn party(&self, kind: AccountKind) -> Option<Party<'_>> {
        match (manner(kind), self.of(kind)) {
            (Some(manner), Some(config)) => Some(Party { manner, config, user_agent: self.user_agent.as_str() }),
            _ => None,
        }
    }
}

/// A vendor as OAuth party: its manner and its values.
#[derive(Debug, Clone, Copy)]
pub struct Party<'a> {
    /// How it differs.
    pub manner: &'static Manner,
    /// Its values.
    pub config: &'a OAuthConfig,
    /// `user-agent` of our own calls.
    pub user_agent: &'a str,
}

/// A value that a request needs is not configured, or cannot stand in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// The vendor wants a client secret, which only the operator can give.
    #[error("the setting {0} is not set; the vendor wants a client secret and none is shipped")]
    NoClientSecret(&'static str),
    /// The kind has no such flow.
    #[error("accounts of this type are not authorised this way")]
    OtherFlow,
    /// A value cannot stand in a header.
    #[error("a configured value cannot be sent")]
    Unsendable,
}
