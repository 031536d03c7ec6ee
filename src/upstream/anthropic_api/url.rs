//! Joins an account's base URL and an endpoint.

use actors::domain::route::Endpoint;

use crate::upstream::{PrepareError, url};

/// `base` + `/v1/messages[/count_tokens]` + query. A base may end in nothing, `/`, `/v1` or `/v1/messages`; `//` is tolerated.
/// A `key` in the query is a credential and is dropped.
pub(super) fn messages(base: &str, endpoint: Endpoint, query: Option<&str>) -> Result<String, PrepareError> {
    let mut url = url::base(base)?;
    if !url.ends_with("/v1/messages") {
        url.push_str(if url.ends_with("/v1") { "/messages" } else { "/v1/messages" });
    }
    if endpoint == Endpoint::CountTokens {
        url.push_str("/count_tokens");
    }
    url::push_query(&mut url, query.unwrap_or_default(), &[]);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_base_gives_one_path() {
        for (base, expected) in [
            ("https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
            ("https://api.anthropic.com/", "https://api.anthropic.com/v1/messages"),
            ("https://api.anthropic.com/v1", "https://api.anthropic.com/v1/messages"),
            ("https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/messages"),
            ("https://h/v1/messages", "https://h/v1/messages"),
            ("https://h/v1/messages//", "https://h/v1/messages"),
            ("http://127.0.0.1:9/relay", "http://127.0.0.1:9/relay/v1/messages"),
            ("https://h//a//v1", "https://h/a/v1/messages"),
            ("https://h/messages", "https://h/messages/v1/messages"),
        ] {
            assert_eq!(messages(base, Endpoint::Generate, None).as_deref(), Ok(expected), "{base}");
            let count = format!("{expected}/count_tokens");
            assert_eq!(messages(base, Endpoint::CountTokens, Some("")).as_deref(), Ok(count.as_str()), "{base}");
        }
    }

    #[test]
    fn the_query_is_kept_without_credentials() {
        for (query, expected) in
            [("beta=true", "?beta=true"), ("key=SECRET", ""), ("a=1&key=SECRET&b", "?a=1&b"), ("&&", ""), ("key", "")]
        {
            let url = messages("https://h", Endpoint::Generate, Some(query)).unwrap();
            assert_eq!(url, format!("https://h/v1/messages{expected}"), "{query}");
        }
    }

    #[test]
    fn other_bases_are_refused() {
        for base in [
            "",
            "h",
            "ftp://h",
            "https://",
            "https:///x",
            "https://h/?a=1",
            "https://h/a b",
            "https://h/#x",
            "https://user:pw@h",
            "https://h/../x",
            "https://h\r\nx",
        ] {
            assert_eq!(messages(base, Endpoint::Generate, None), Err(PrepareError::BadBaseUrl), "{base}");
        }
    }
}
