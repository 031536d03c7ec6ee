//! Last line of defence of logs: replaces what looks like a secret in texts that come from outside (`ops.md` §7).

use std::borrow::Cow;

use bytes::Bytes;

/// Longest text from an upstream that is kept.
const LIMIT: usize = 1_000;

/// Starts of secrets, and how long what follows must be to be one. Each runs to the next character that no secret holds.
const STARTS: [(&str, usize); 8] =
    [("cr_", 12), ("sk-", 12), ("eyJ", 12), ("ql1:", 12), ("Bearer ", 6), ("bearer ", 6), ("key=", 6), ("token=", 6)];
/// What replaces a secret.
const HIDDEN: &str = "***";
/// Known secrets shorter than this are found everywhere.
const LEAST_KNOWN: usize = 8;

/// The text, cut at 1 000 characters, with everything that looks like a secret replaced.
pub fn redact(text: &str) -> Cow<'_, str> {
    hide(text.char_indices().nth(LIMIT).map_or(text, |(end, _)| text.get(..end).unwrap_or(text)), &[])
}

/// An upstream's error body without the secrets of the account that it was called with, nor anything that looks like one.
/// JSON stays JSON: no secret holds a quote.
pub fn hide_in_body(body: Bytes, known: &[&str]) -> Bytes {
    let clean = std::str::from_utf8(&body).map(|text| match hide(text, known) {
        Cow::Borrowed(_) => None,
        Cow::Owned(clean) => Some(clean),
    });
    match clean {
        Ok(None) => body,
        Ok(Some(clean)) => Bytes::from(clean),
        Err(_) => Bytes::from_owner(hide(&String::from_utf8_lossy(&body), known).into_owned()),
    }
}

/// The text with these secrets replaced, and with everything that looks like one.
pub fn hide<'a>(text: &'a str, known: &[&str]) -> Cow<'a, str> {
    let known = known.iter().filter(|secret| secret.len() >= LEAST_KNOWN && text.contains(**secret));
    let known: Vec<&&str> = known.collect();
    let suspicious = text.contains("://") || STARTS.iter().any(|(start, _)| text.contains(start));
    if known.is_empty() && !suspicious {
        return Cow::Borrowed(text);
    }
    let replaced = known.into_iter().fold(text.to_owned(), |text, secret| text.replace(*secret, HIDDEN));
    let clean = without_user_info(&without_patterns(&replaced));
    if clean == text { Cow::Borrowed(text) } else { Cow::Owned(clean) }
}

fn without_patterns(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, start, least)) = first_start(rest) {
        let (before, after) = rest.split_at(at);
        let secret = after.get(start.len()..).unwrap_or_default();
        let end = secret.find(|c: char| !is_secret_char(c)).unwrap_or(secret.len());
        let (hidden, tail) = secret.split_at(end);
        // In the middle of a word it is no start: `task-…` is not `sk-…`.
        let word = before.chars().next_back().or_else(|| out.chars().next_back()).is_some_and(char::is_alphanumeric);
        out.push_str(before);
        out.push_str(start);
        if hidden.len() >= least && (!word || start.ends_with('=')) {
            out.push_str(HIDDEN);
            rest = tail;
        } else {
            rest = secret;
        }
    }
    out.push_str(rest);
    out
}

fn first_start(text: &str) -> Option<(usize, &'static str, usize)> {
    STARTS.iter().filter_map(|(start, least)| Some((text.find(start)?, *start, *least))).min()
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
        for text in ["task-scheduling-of-tools failed", "a key=v", "Bearer of news", "micr_oscopic_organisms"] {
            assert_eq!(redact(text), text);
        }
        assert_eq!(redact("plain text"), "plain text");
        assert_eq!(redact("see https://example.com/a"), "see https://example.com/a");
        assert_eq!(redact(&"é".repeat(2_000)).chars().count(), 1_000);
    }

    #[test]
    fn an_error_body_loses_the_accounts_secrets_and_nothing_else() {
        let known = ["hunter2-hunter2", "short"];
        let body = Bytes::from_static(br#"{"error":"no hunter2-hunter2, but short; see https://example.com/a?b=c"}"#);
        let clean = hide_in_body(body, &known);
        assert_eq!(&clean[..], br#"{"error":"no ***, but short; see https://example.com/a?b=c"}"#);
        let same = Bytes::from_static(b"{\"error\":\"see https://example.com/a\"}");
        assert_eq!(hide_in_body(same.clone(), &known).as_ptr(), same.as_ptr(), "what needs no change is not copied");
        let raw = hide_in_body(Bytes::from_static(b"\xffhunter2-hunter2"), &known);
        assert!(!raw.windows(7).any(|part| part == b"hunter2"));
    }
}
