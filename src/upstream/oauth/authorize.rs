//! The link that an owner opens to authorise.

use secrecy::{ExposeSecret, SecretString};

use super::kinds::Flow;
use super::{Party, Unready, pkce};

/// What a link asks for.
#[derive(Debug, Clone, Copy)]
pub struct Intent<'a> {
    /// Comes back with the code.
    pub state: &'a SecretString,
    /// Its challenge goes into the link.
    pub verifier: &'a SecretString,
    /// Where the vendor sends the owner back to.
    pub redirect_uri: &'a str,
    /// Scopes.
    pub scopes: &'a [String],
    /// The owner consents anew, so that a refresh token comes.
    pub consent: bool,
}

/// The link.
///
/// # Errors
/// When the kind is not authorised by links, or the exchange could not succeed for want of a secret.
pub fn link(party: &Party<'_>, intent: &Intent<'_>) -> Result<String, Unready> {
    if party.manner.flow != Flow::Code {
        return Err(Unready::OtherFlow);
    }
    party.secret()?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(party.manner.before);
    query.append_pair("client_id", &party.config.client_id);
    query.append_pair("response_type", "code");
    query.append_pair("redirect_uri", intent.redirect_uri);
    query.append_pair("scope", &intent.scopes.join(" "));
    query.append_pair("code_challenge", &pkce::challenge(intent.verifier));
    query.append_pair("code_challenge_method", "S256");
    query.append_pair("state", intent.state.expose_secret());
    query.extend_pairs(party.manner.after);
    if let Some([usual, anew]) = party.manner.prompts {
        query.append_pair("prompt", if intent.consent { anew } else { usual });
    }
    let separator = if party.config.authorize_url.contains('?') { '&' } else { '?' };
    Ok(format!("{}{separator}{}", party.config.authorize_url, query.finish()))
}
