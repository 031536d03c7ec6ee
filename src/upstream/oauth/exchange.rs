//! The exchange of an authorisation code for the first pair of tokens.

use secrecy::{ExposeSecret, SecretString};

use super::kinds::Flow;
use super::{Party, Unready};
use crate::transport::OwnCall;

/// Life of a setup token, in seconds.
const SETUP_LIFE: &str = "31536000";

/// A code with what it was asked for with.
#[derive(Debug, Clone, Copy)]
pub struct Redemption<'a> {
    /// As pasted.
    pub code: &'a SecretString,
    /// Of the link.
    pub state: &'a SecretString,
    /// Of the link.
    pub verifier: &'a SecretString,
    /// Of the link.
    pub redirect_uri: &'a str,
    /// Asks for a setup token: one access token that lives a year.
    pub setup_token: bool,
}

/// The request.
///
/// # Errors
/// When the kind is not authorised by links, or for want of a secret.
pub fn request(party: &Party<'_>, redemption: &Redemption<'_>) -> Result<OwnCall, Unready> {
    if party.manner.flow != Flow::Code {
        return Err(Unready::OtherFlow);
    }
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("client_id", party.config.client_id.as_str()),
        ("code", redemption.code.expose_secret()),
        ("redirect_uri", redemption.redirect_uri),
        ("code_verifier", redemption.verifier.expose_secret()),
    ];
    if party.manner.sends_state {
        fields.push(("state", redemption.state.expose_secret()));
    }
    if redemption.setup_token {
        fields.push(("expires_in", SETUP_LIFE));
    }
    party.post(&party.config.token_url, fields)
}
