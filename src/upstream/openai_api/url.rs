//! The URL of an endpoint of OpenAI's API, whatever form the base was given in.

use crate::upstream::{PrepareError, url};

/// Endpoints that people copy into the base together with the address.
const ENDPOINTS: [&str; 4] = ["/chat/completions", "/completions", "/embeddings", "/responses"];

/// `base` + `/v1` + `path` + query. A base may end in nothing, `/`, `/v1` or the endpoint itself. A base with a version of
/// its own (`/api/paas/v4`, `/v1beta/openai`) gets none added.
pub(in crate::upstream) fn versioned(base: &str, path: &str, query: &str) -> Result<String, PrepareError> {
    let mut url = root(base)?;
    if !has_version(&url) {
        url.push_str("/v1");
    }
    url::push_path(&mut url, path)?;
    url::push_query(&mut url, query, &[]);
    Ok(url)
}

/// The base without an endpoint at its end.
pub(in crate::upstream) fn root(base: &str) -> Result<String, PrepareError> {
    let mut url = url::base(base)?;
    if let Some(endpoint) = ENDPOINTS.iter().find(|endpoint| url.ends_with(**endpoint)) {
        url.truncate(url.len() - endpoint.len());
    }
    Ok(url)
}

/// The client's path from the folder `of` on, like `/images/edits` of `/deployments/d/images/edits`.
pub(in crate::upstream) fn tail_of<'a>(tail: &'a str, of: &str) -> Result<&'a str, PrepareError> {
    tail.rfind(of).and_then(|at| tail.get(at..)).ok_or(PrepareError::Unsupported)
}

fn has_version(url: &str) -> bool {
    let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
    path.split('/').any(|segment| {
        let mut rest = segment.bytes();
        matches!(rest.next(), Some(b'v')) && matches!(rest.next(), Some(b'0'..=b'9'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_base_gives_one_path() {
        for (base, expected) in [
            ("https://api.openai.com", "https://api.openai.com/v1/responses"),
            ("https://api.openai.com/", "https://api.openai.com/v1/responses"),
            ("https://api.openai.com/v1", "https://api.openai.com/v1/responses"),
            ("https://api.openai.com/v1/", "https://api.openai.com/v1/responses"),
            ("https://api.openai.com//v1//", "https://api.openai.com/v1/responses"),
            ("https://h/v1/chat/completions", "https://h/v1/responses"),
            ("https://h/v1/responses/", "https://h/v1/responses"),
            ("http://127.0.0.1:9/relay", "http://127.0.0.1:9/relay/v1/responses"),
            ("https://h/api/paas/v4", "https://h/api/paas/v4/responses"),
            ("https://h/v1beta/openai", "https://h/v1beta/openai/responses"),
            ("https://v1.example/api", "https://v1.example/api/v1/responses"),
            ("https://h/vendor", "https://h/vendor/v1/responses"),
        ] {
            assert_eq!(versioned(base, "/responses", "").as_deref(), Ok(expected), "{base}");
        }
    }

    #[test]
    fn other_bases_are_refused() {
        for base in ["", "h", "ftp://h", "https://", "https:///x", "https://h/?a=1", "https://u:p@h", "https://h/../x"]
        {
            assert_eq!(versioned(base, "/responses", ""), Err(PrepareError::BadBaseUrl), "{base}");
        }
    }

    #[test]
    fn a_tail_is_cut_to_its_folder() {
        assert_eq!(tail_of("/images/edits", "/images/"), Ok("/images/edits"));
        assert_eq!(tail_of("/deployments/d/images/generations", "/images/"), Ok("/images/generations"));
        assert_eq!(tail_of("/files/x", "/images/"), Err(PrepareError::Unsupported));
    }
}
