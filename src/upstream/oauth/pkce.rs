//! PKCE, always S256 (RFC 7636). The verifier never leaves the server but in the exchange.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::kinds::VerifierForm;

/// A fresh verifier.
pub fn verifier(form: VerifierForm) -> SecretString {
    SecretString::from(match form {
        VerifierForm::Base64Url => URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()),
        VerifierForm::Hex => hex::encode([rand::random::<[u8; 32]>(), rand::random()].concat()),
    })
}

/// A fresh name that nobody can guess: 32 random bytes.
pub fn token() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// `BASE64URL(SHA256(verifier))`.
pub fn challenge(verifier: &SecretString) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vector_of_rfc_7636_appendix_b() {
        let verifier = SecretString::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn verifiers_have_the_length_that_the_standard_asks_for() {
        for (form, length) in [(VerifierForm::Base64Url, 43), (VerifierForm::Hex, 128)] {
            let (one, two) = (verifier(form), verifier(form));
            assert_eq!(one.expose_secret().len(), length);
            assert!(one.expose_secret().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            assert_ne!(one.expose_secret(), two.expose_secret());
        }
        assert_eq!(token().len(), 43);
    }
}
