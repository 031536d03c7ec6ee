//! What a person pastes after authorising: a bare code, `code#state`, or the address of the page they ended on.

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// Longest code.
const LONGEST: usize = 4_096;

/// A code, and the state that came with it.
pub struct Pasted {
    /// Exchanged for tokens.
    pub code: SecretString,
    /// Must be ours; a bare code has none.
    pub state: Option<String>,
}

/// Why a pasted text is refused. Never shows the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasteError {
    /// There is no code in it.
    #[error("holds no code")]
    NoCode,
    /// The vendor sent the owner back without a code.
    #[error("says that the owner or the vendor refused")]
    Refused,
    /// It belongs to another link.
    #[error("belongs to another link: its state is not the one of this session")]
    OtherState,
}

/// Takes a pasted text apart. A whole address must name a state.
///
/// # Errors
/// When there is no code in it, or the vendor's refusal.
pub fn read(text: &str) -> Result<Pasted, PasteError> {
    let text = text.trim();
    if text.contains("://") || text.starts_with('?') || text.starts_with("code=") {
        return of_address(text);
    }
    let (head, pairs) = text.split_once('&').unwrap_or((text, ""));
    let (code, state) = match head.split_once('#') {
        Some((code, state)) => (code, Some(state.to_owned())),
        None => (head, value(pairs, "state").map(|state| state.split('#').next().unwrap_or_default().to_owned())),
    };
    // A code that was cut out of an address is still escaped.
    let code = if code.contains('%') && !code.contains('+') {
        value(&format!("code={code}"), "code").unwrap_or_default()
    } else {
        code.to_owned()
    };
    Ok(Pasted { code: checked(code)?, state: state.filter(|state| !state.is_empty()) })
}

fn of_address(text: &str) -> Result<Pasted, PasteError> {
    let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
    let query = address.split_once('?').map_or(address, |(_, query)| query);
    let find = |name| value(query, name).or_else(|| value(fragment, name));
    let Some(code) = find("code") else {
        return Err(if find("error").is_some() { PasteError::Refused } else { PasteError::NoCode });
    };
    Ok(Pasted { code: checked(code)?, state: Some(find("state").unwrap_or_default()) })
}

fn value(pairs: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(pairs.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn checked(code: String) -> Result<SecretString, PasteError> {
    let plain = (1..=LONGEST).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_graphic());
    if plain { Ok(SecretString::from(code)) } else { Err(PasteError::NoCode) }
}

impl Pasted {
    /// The code, when the state is ours. Compared in constant time.
    ///
    /// # Errors
    /// When the text came with another state.
    pub fn code_of(self, state: &SecretString) -> Result<SecretString, PasteError> {
        match &self.state {
            Some(theirs) if !bool::from(theirs.as_bytes().ct_eq(state.expose_secret().as_bytes())) => {
                Err(PasteError::OtherState)
            }
            _ => Ok(self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pasted(text: &str) -> Result<String, PasteError> {
        let code = read(text)?.code_of(&SecretString::from("st-1"))?;
        Ok(code.expose_secret().to_owned())
    }

    #[test]
    fn every_form_gives_the_code() {
        for text in [
            "ab-C_1",
            "  ab-C_1\n",
            "ab-C_1#st-1",
            "ab-C_1#st-1&scope=x",
            "ab-C_1&state=st-1",
            "https://platform.claude.com/oauth/code/callback?code=ab-C_1&state=st-1",
            "http://localhost:1455/auth/callback?code=ab-C_1&scope=openid+email&state=st-1#",
            "http://localhost:1455/auth/callback?state=st-1&code=ab-C_1#fragment",
            "https://x.example/cb#code=ab-C_1&state=st-1",
            "?code=ab-C_1&state=st-1",
            "code=ab-C_1&state=st-1",
        ] {
            assert_eq!(pasted(text).as_deref(), Ok("ab-C_1"), "{text}");
        }
        assert_eq!(pasted("https://codeassist.google.com/authcode?code=4%2F0Ab&state=st-1").as_deref(), Ok("4/0Ab"));
        assert_eq!(pasted("4%2F0Ab").as_deref(), Ok("4/0Ab"));
        assert_eq!(pasted("4/0Ab").as_deref(), Ok("4/0Ab"));
    }

    #[test]
    fn another_state_is_refused() {
        for text in [
            "ab#st-2",
            "ab#st-1x",
            "ab&state=other",
            "https://a.example/cb?code=ab&state=st-2",
            "https://a.example/cb?code=ab&state=",
            "https://a.example/cb?code=ab",
        ] {
            assert_eq!(pasted(text), Err(PasteError::OtherState), "{text}");
        }
    }

    #[test]
    fn texts_without_a_code_are_refused() {
        for text in ["", "  ", "#st-1", "a b", "https://a.example/cb?state=st-1", "code=&state=st-1", "é"] {
            assert_eq!(pasted(text), Err(PasteError::NoCode), "{text}");
        }
        assert_eq!(pasted("https://a.example/cb?error=access_denied&state=st-1"), Err(PasteError::Refused));
        assert_eq!(pasted(&"a".repeat(5_000)), Err(PasteError::NoCode));
    }
}
