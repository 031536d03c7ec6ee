//! Where a client puts its API key (`relay-api.md` §2).

use actix_web::http::header::HeaderMap;

/// Stands for a credential that is no text at all; no key is like it.
const NOT_A_TEXT: &str = "\u{fffd}";
/// Accepted lengths of a key.
const LENGTHS: std::ops::RangeInclusive<usize> = 10..=512;

/// The key of a request: the first source that begins like one of ours, else the first non-empty one. Some clients send two
/// different credentials. `?key=` is Google's way; it never reaches a log or an upstream.
pub fn api_key<'a>(headers: &'a HeaderMap, query: &'a str, prefixes: &[String]) -> Option<&'a str> {
    let in_headers = ["x-api-key", "x-goog-api-key", "authorization", "api-key"]
        .into_iter()
        .filter_map(|name| headers.get(name))
        .map(|value| std::str::from_utf8(value.as_bytes()).unwrap_or(NOT_A_TEXT))
        .map(|value| without_scheme(value.trim()));
    let in_query = query.split('&').filter_map(|pair| pair.strip_prefix("key="));
    let mut first = None;
    for value in in_headers.chain(in_query) {
        if prefixes.iter().any(|prefix| value.starts_with(&**prefix)) {
            return Some(value);
        }
        if first.is_none() && !value.is_empty() {
            first = Some(value);
        }
    }
    first
}

/// True when a text could be a key at all; anything else is refused before it is looked up.
pub fn is_plausible(key: &str) -> bool {
    LENGTHS.contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

fn without_scheme(value: &str) -> &str {
    match value.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim(),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn ours() -> Vec<String> {
        vec!["cr_".to_owned(), "sk-".to_owned()]
    }

    fn find(pairs: &[(&'static str, &'static str)]) -> Option<String> {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        api_key(&headers, "", &ours()).map(str::to_owned)
    }

    #[test]
    fn the_first_of_our_own_keys_wins() {
        assert_eq!(find(&[("x-api-key", "other"), ("authorization", "Bearer cr_1")]).as_deref(), Some("cr_1"));
        assert_eq!(find(&[("x-api-key", "cr_2"), ("authorization", "Bearer cr_1")]).as_deref(), Some("cr_2"));
        assert_eq!(find(&[("authorization", "bearer  other")]).as_deref(), Some("other"));
        assert_eq!(find(&[("x-api-key", ""), ("api-key", "b")]).as_deref(), Some("b"));
        assert_eq!(find(&[]), None);
        let imported = [("x-api-key", "other"), ("authorization", "Bearer sk-imported")];
        assert_eq!(find(&imported).as_deref(), Some("sk-imported"));
        let mut odd = HeaderMap::new();
        odd.insert(HeaderName::from_static("x-api-key"), HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        assert!(api_key(&odd, "", &ours()).is_some_and(|key| !is_plausible(key)), "given, but no key");
    }

    #[test]
    fn a_key_in_the_query_counts_last() {
        let headers = HeaderMap::new();
        assert_eq!(api_key(&headers, "alt=sse&key=cr_3", &ours()), Some("cr_3"));
        assert_eq!(api_key(&headers, "monkey=cr_3", &ours()), None);
    }

    #[test]
    fn only_visible_ascii_of_a_key_length_is_looked_up() {
        assert!(is_plausible("cr_0123456789"));
        assert!(!is_plausible("short"));
        assert!(!is_plausible(&"x".repeat(513)));
        assert!(!is_plausible("has a space in it"));
    }
}
