//! The URL of a call: below a deployment for the Chat family, below the resource for Responses.

use actors::domain::account::AccountSpec;
use actors::domain::route::Endpoint;

use crate::dialect::Dialect;
use crate::upstream::{Inbound, PrepareError, openai_api, url};

/// The account options with the API versions, and what stands for them.
pub(super) const API_VERSION: (&str, &str) = ("api_version", "2024-10-21");
const RESPONSES_API_VERSION: (&str, &str) = ("responses_api_version", "2025-04-01-preview");

/// The account option that moves Responses to the address without versions, when it says `v1`.
const API_SURFACE: &str = "api_surface";

/// What people copy into the endpoint together with the address.
const SUFFIXES: [&str; 3] = ["/openai/v1", "/openai/responses", "/openai"];

/// Where an endpoint lives; the text is its path there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// Below the deployment, which names the model.
    Deployment(&'a str),
    /// Below the resource; the body names the deployment.
    Resource(&'a str),
}

impl<'a> Place<'a> {
    /// The place of a call's endpoint.
    ///
    /// # Errors
    /// [`PrepareError::Unsupported`] when Azure has no such endpoint.
    pub(super) fn of(call: &Inbound<'a>) -> Result<Self, PrepareError> {
        Ok(match call.endpoint {
            Endpoint::Generate if call.client.dialect == Dialect::Responses => Self::Resource("/responses"),
            Endpoint::Generate => Self::Deployment("/chat/completions"),
            Endpoint::Embed => Self::Deployment("/embeddings"),
            Endpoint::Image => Self::Deployment(openai_api::url::tail_of(call.tail, "/images/")?),
            Endpoint::Audio => Self::Deployment(openai_api::url::tail_of(call.tail, "/audio/")?),
            Endpoint::Stored => Self::Resource(openai_api::url::tail_of(call.tail, "/responses/")?),
            Endpoint::CountTokens | Endpoint::Complete | Endpoint::Compact | Endpoint::Assist => {
                return Err(PrepareError::Unsupported);
            }
        })
    }
}

/// Joins the account's endpoint, the place and the API version. The version is the account's: the client's own belongs to
/// the address that it thinks it calls.
pub(super) fn build(
    call: &Inbound<'_>,
    account: &AccountSpec,
    place: Place<'_>,
    deployment: Option<&str>,
) -> Result<String, PrepareError> {
    let mut url = root(account.base_url.as_deref().ok_or(PrepareError::BadBaseUrl)?)?;
    let (path, version) = match place {
        Place::Deployment(path) => {
            let name = url::encoded(deployment.ok_or(PrepareError::BadOption)?);
            url.push_str("/deployments");
            url::push_path(&mut url, &name).map_err(|_| PrepareError::BadOption)?;
            (path, Some(version(account, API_VERSION)))
        }
        Place::Resource(path) if account.options.get(API_SURFACE).is_some_and(|surface| surface == "v1") => {
            url.push_str("/v1");
            (path, None)
        }
        Place::Resource(path) => (path, Some(version(account, RESPONSES_API_VERSION))),
    };
    url::push_path(&mut url, path)?;
    if let Some(version) = version {
        url.push_str("?api-version=");
        url.push_str(&url::encoded(version));
    }
    url::push_query(&mut url, openai_api::query(call), &["api-version"]);
    Ok(url)
}

/// The version that an option names.
pub(super) fn version<'a>(account: &'a AccountSpec, (option, otherwise): (&str, &'static str)) -> &'a str {
    account.options.get(option).map(|text| text.trim()).filter(|text| !text.is_empty()).unwrap_or(otherwise)
}

fn root(endpoint: &str) -> Result<String, PrepareError> {
    let mut url = url::base(endpoint)?;
    if let Some(suffix) = SUFFIXES.iter().find(|suffix| url.ends_with(**suffix)) {
        url.truncate(url.len() - suffix.len());
    }
    url.push_str("/openai");
    Ok(url)
}
