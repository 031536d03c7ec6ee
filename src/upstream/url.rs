//! Joins an account's base URL with a path and a query, and refuses what could lead elsewhere.

use std::fmt::Write;

use super::PrepareError;

/// The base as `scheme://host[/path]` without a slash at its end; `//` inside of the path is tolerated.
///
/// # Errors
/// [`PrepareError::BadBaseUrl`] unless it is an absolute http(s) URL without credentials, query, fragment and dot segments.
pub(super) fn base(text: &str) -> Result<String, PrepareError> {
    let (scheme, rest) = text.split_once("://").ok_or(PrepareError::BadBaseUrl)?;
    let unusable = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '@' | '\\');
    if !matches!(scheme, "http" | "https") || rest.starts_with('/') || rest.is_empty() || rest.contains(unusable) {
        return Err(PrepareError::BadBaseUrl);
    }
    let mut url = format!("{scheme}:/");
    for segment in segments(rest) {
        if is_dots(segment) {
            return Err(PrepareError::BadBaseUrl);
        }
        url.push('/');
        url.push_str(segment);
    }
    Ok(url)
}

/// Appends a client's path to a base. What the client wrote may name things, but never leave the base.
///
/// # Errors
/// [`PrepareError::Unsupported`] for dot segments, also encoded ones, and for characters that end a path.
pub(super) fn push_path(url: &mut String, path: &str) -> Result<(), PrepareError> {
    let unusable = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '\\');
    let lower = path.to_ascii_lowercase();
    let hidden = ["%2f", "%5c", "%00"].iter().any(|escape| lower.contains(escape));
    if path.contains(unusable) || hidden || segments(path).any(is_dots) {
        return Err(PrepareError::Unsupported);
    }
    for segment in segments(path) {
        url.push('/');
        url.push_str(segment);
    }
    Ok(())
}

/// Appends a query without `key`, which is a credential, and without the members named in `without`.
pub(super) fn push_query(url: &mut String, query: &str, without: &[&str]) {
    let mut separator = if url.contains('?') { '&' } else { '?' };
    let passes = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        !name.is_empty() && name != "key" && !without.contains(&name)
    };
    for pair in query.split('&').filter(passes) {
        url.push(separator);
        url.push_str(pair);
        separator = '&';
    }
}

/// One path segment or query value, everything but the unreserved characters escaped.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// True when a base has no path.
pub(super) fn is_host_only(base: &str) -> bool {
    base.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'))
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// `.` or `..`, in any mixture of plain and encoded dots.
fn is_dots(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_are_written_one_way() {
        for (text, expected) in [
            ("https://h", "https://h"),
            ("https://h/", "https://h"),
            ("https://h//a//v1/", "https://h/a/v1"),
            ("http://127.0.0.1:9/relay", "http://127.0.0.1:9/relay"),
        ] {
            assert_eq!(base(text).as_deref(), Ok(expected), "{text}");
        }
        assert!(is_host_only("https://h") && !is_host_only("https://h/a"));
    }

    #[test]
    fn a_path_cannot_leave_its_base() {
        for path in ["/a/../b", "/%2e%2E/x", "/.%2e", "/a?b", "/a#b", "/a\\b", "/a%2Fb", "/a b", "/a%5c..", "/a\r\nb"] {
            assert_eq!(push_path(&mut String::new(), path), Err(PrepareError::Unsupported), "{path}");
        }
        let mut url = "https://h/v1".to_owned();
        assert_eq!(push_path(&mut url, "//responses//resp_1.x/cancel/"), Ok(()));
        assert_eq!(url, "https://h/v1/responses/resp_1.x/cancel");
    }

    #[test]
    fn a_query_passes_without_credentials() {
        for (query, expected) in [
            ("", "u"),
            ("beta=true", "u?beta=true"),
            ("key=SECRET", "u"),
            ("a=1&key=SECRET&b&api-version=1", "u?a=1&b"),
            ("&&", "u"),
            ("=x", "u"),
            ("include[]=a&include[]=b", "u?include[]=a&include[]=b"),
        ] {
            let mut url = "u".to_owned();
            push_query(&mut url, query, &["api-version"]);
            assert_eq!(url, expected, "{query}");
        }
        let mut url = "u?x=1".to_owned();
        push_query(&mut url, "a=1", &[]);
        assert_eq!(url, "u?x=1&a=1");
    }

    #[test]
    fn names_are_escaped() {
        assert_eq!(encoded("gpt-4.1_x~"), "gpt-4.1_x~");
        assert_eq!(encoded("a/b ü?"), "a%2Fb%20%C3%BC%3F");
    }
}
