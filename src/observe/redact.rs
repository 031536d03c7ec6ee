//! Last line of defence of logs: replaces what looks like a secret in texts that come from outside (`ops.md` §7).

use std::borrow::Cow;

/// Longest text from an upstream that is kept.
const LIMIT: usize = 1_000;

/// Starts of secrets. Each runs to the next character that no secret holds.
const STARTS: [&str; 8] = ["cr_", "sk-", "Bearer ", "bearer ", "eyJ", "key=", "token=", "ql1:"];

/// The text, cut at 1 000 characters, with everything that looks like a secret replaced.
pub fn redact(text: &str) -> Cow<'_, str> {
    let cut = text.char_indices().nth(LIMIT).map_or(text, |(end, _)| text.get(..end).unwrap_or(text));
    if !STARTS.iter().any(|start| cut.contains(start)) && !cut.contains("://") {
        return Cow::Borrowed(cut);
    }
    let mut out = String::with_capacity(cut.len());
    let mut rest = cut;
    while let Some((at, start)) = first_start(rest) {
        let (before, after) = rest.split_at(at);
        let secret = after.get(start.len()..).unwrap_or_default();
        let end = secret.find(|c: char| !is_secret_char(c)).unwrap_or(secret.len());
        out.push_str(before);
        out.push_str(start);
        let (hidden, tail) = secret.split_at(end);
        out.push_str(if hidden.len() >= 6 { "***" } else { hidden });
        rest = tail;
    }
    out.push_str(rest);
    Cow::Owned(without_user_info(&out))
}

fn first_start(text: &str) -> Option<(usize, &'static str)> {
    STARTS.iter().filter_map(|start| Some((text.find(start)?, *start))).min()
}

fn is_secret_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.+/=:".contains(c)
}

/// `scheme://user:password@host` without the user's part.
fn without_user_info(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (scheme, after) = rest.split_at(at + 3);
        out.push_str(scheme);
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'".contains(c)).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                out.push_str("***@");
                out.push_str(host);
            }
            None => out.push_str(authority),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_every_form_are_replaced() {
        for (text, secret) in [
            ("bad key cr_0123456789abcdef!", "0123456789"),
            ("x-api-key: sk-ant-api03-AbCdEf", "api03"),
            ("Authorization: Bearer abc.def.ghijkl", "abc.def"),
            ("token eyJhbGciOiJIUzI1NiJ9.e30.x", "hbGci"),
            ("via http://bob:hunter2@proxy:3128/x", "hunter2"),
            ("GET /v1?key=AIzaSomething&x=1", "AIza"),
        ] {
            let shown = redact(text);
            assert!(!shown.contains(secret), "{shown}");
            assert!(shown.contains("***"), "{shown}");
        }
        assert_eq!(redact("plain text"), "plain text");
        assert_eq!(redact("see https://example.com/a"), "see https://example.com/a");
        assert_eq!(redact(&"é".repeat(2_000)).chars().count(), 1_000);
    }
}
