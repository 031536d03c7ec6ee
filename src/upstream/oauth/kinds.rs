//! How vendors differ in OAuth: one small table per kind (`upstreams.md` §2.1, §2.5, §2.8, §2.11).

use actors::domain::account::AccountKind;
use actors::domain::time::{HOUR, MINUTE};

/// How an owner authorises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// By a link that ends with a code to paste.
    Code,
    /// By typing a short code on the vendor's page.
    Device,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// A JSON object.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// How a PKCE verifier is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifierForm {
    /// 32 random bytes in base64url.
    Base64Url,
    /// 64 random bytes in hex.
    Hex,
}

/// What is particular to a vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// How an owner authorises.
    pub flow: Flow,
    /// Form of the token requests.
    pub encoding: Encoding,
    /// Form of the verifier.
    pub verifier: VerifierForm,
    /// Parameters of the link before the standard ones.
    pub before: &'static [(&'static str, &'static str)],
    /// Parameters of the link after the standard ones.
    pub after: &'static [(&'static str, &'static str)],
    /// The link's `prompt`: usually, and when the owner must consent anew so that a refresh token comes.
    pub prompts: Option<[&'static str; 2]>,
    /// The exchange of a code repeats the state.
    pub sends_state: bool,
    /// `scope` of a refresh.
    pub refresh_scope: Option<&'static str>,
    /// The setting of the client secret, where the vendor wants one.
    pub secret_setting: Option<&'static str>,
    /// An answer without a refresh token is of no use.
    pub must_refresh: bool,
    /// An access token counts as ended this long after it was given, in ms, whatever the vendor says.
    pub longest_life: Option<i64>,
    /// A token that is a JWT says itself when it ends.
    pub reads_expiry: bool,
    /// The `id_token` names the ChatGPT account.
    pub names_chatgpt: bool,
}

const PLAIN: Manner = Manner {
    flow: Flow::Code,
    encoding: Encoding::Form,
    verifier: VerifierForm::Base64Url,
    before: &[],
    after: &[],
    prompts: None,
    sends_state: false,
    refresh_scope: None,
    secret_setting: None,
    must_refresh: true,
    longest_life: None,
    reads_expiry: false,
    names_chatgpt: false,
};

/// A setup token comes without a refresh token, so one is not required.
const CLAUDE_OFFICIAL: Manner =
    Manner { encoding: Encoding::Json, before: &[("code", "true")], sends_state: true, must_refresh: false, ..PLAIN };

const CODEX: Manner = Manner {
    verifier: VerifierForm::Hex,
    after: &[("id_token_add_organizations", "true"), ("codex_cli_simplified_flow", "true")],
    refresh_scope: Some("openid profile email"),
    reads_expiry: true,
    names_chatgpt: true,
    ..PLAIN
};

const GEMINI: Manner = Manner {
    after: &[("access_type", "offline")],
    prompts: Some(["select_account", "consent"]),
    secret_setting: Some("oauth.gemini.client_secret"),
    ..PLAIN
};

/// Refreshed every 6 h: the life of a token with the usual lead of 30 min.
const DROID: Manner =
    Manner { flow: Flow::Device, longest_life: Some(6 * HOUR + 30 * MINUTE), reads_expiry: true, ..PLAIN };

/// The manner of a kind; `None` when it has no tokens.
pub const fn manner(kind: AccountKind) -> Option<&'static Manner> {
    match kind {
        AccountKind::ClaudeOfficial => Some(&CLAUDE_OFFICIAL),
        AccountKind::Codex => Some(&CODEX),
        AccountKind::Gemini => Some(&GEMINI),
        AccountKind::Droid => Some(&DROID),
        AccountKind::ClaudeConsole
        | AccountKind::Ccr
        | AccountKind::Bedrock
        | AccountKind::GeminiApi
        | AccountKind::OpenAi
        | AccountKind::OpenAiResponses
        | AccountKind::AzureOpenAi => None,
    }
}
