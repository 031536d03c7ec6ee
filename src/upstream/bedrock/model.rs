//! What Bedrock calls a model: the account's map, else the built-in table with the region's inference profile.

use std::borrow::Cow;

use actors::domain::account::AccountSpec;

/// The account option: the inference profile, like `eu` or `global`; `none` = the model itself.
const PROFILE_PREFIX: &str = "profile_prefix";

/// Names of the vendor of the models, and Bedrock's ids without inference profile.
const IDS: [(&str, &str); 20] = [
    ("claude-opus-4-5", "anthropic.claude-opus-4-5-20251101-v1:0"),
    ("claude-opus-4-5-20251101", "anthropic.claude-opus-4-5-20251101-v1:0"),
    ("claude-sonnet-4-5", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("claude-sonnet-4-5-20250929", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("claude-haiku-4-5", "anthropic.claude-haiku-4-5-20251001-v1:0"),
    ("claude-haiku-4-5-20251001", "anthropic.claude-haiku-4-5-20251001-v1:0"),
    ("claude-opus-4-6", "anthropic.claude-opus-4-6-v1"),
    ("claude-sonnet-4-6", "anthropic.claude-sonnet-4-6"),
    ("claude-opus-4-7", "anthropic.claude-opus-4-7"),
    ("claude-opus-4-8", "anthropic.claude-opus-4-8"),
    ("claude-opus-5", "anthropic.claude-opus-5"),
    ("claude-opus-5-5", "anthropic.claude-opus-5-5"),
    ("claude-sonnet-5", "anthropic.claude-sonnet-5"),
    ("claude-sonnet-5-5", "anthropic.claude-sonnet-5-5"),
    ("claude-haiku-5-5", "anthropic.claude-haiku-5-5"),
    ("claude-fable-5", "anthropic.claude-fable-5"),
    ("claude-fable-5-1", "anthropic.claude-fable-5-1"),
    ("claude-opus-4-1", "anthropic.claude-opus-4-1-20250805-v1:0"),
    ("claude-opus-4-1-20250805", "anthropic.claude-opus-4-1-20250805-v1:0"),
    ("claude-sonnet-4-20250514", "anthropic.claude-sonnet-4-20250514-v1:0"),
];

/// Inference profiles by how their regions begin; the first that fits.
const PROFILES: [(&str, &str); 8] = [
    ("us-gov-", "us-gov"),
    ("us-", "us"),
    ("eu-", "eu"),
    ("ap-northeast-1", "jp"),
    ("ap-southeast-2", "au"),
    ("ap-", "apac"),
    ("ca-", "ca"),
    ("sa-", "sa"),
];

/// The id for the path. A mapped name goes as the operator wrote it, an unknown one as the client did: never another model.
pub(super) fn id<'a>(requested: &'a str, account: &'a AccountSpec, region: &str) -> Cow<'a, str> {
    let mapped = account.upstream_model(requested);
    if mapped != requested {
        return Cow::Borrowed(mapped);
    }
    let name = requested.strip_suffix("[1m]").unwrap_or(requested);
    match IDS.iter().find(|(own, _)| *own == name) {
        Some((_, id)) => Cow::Owned(profiled(id, account, region)),
        None => Cow::Borrowed(name),
    }
}

fn profiled(id: &str, account: &AccountSpec, region: &str) -> String {
    let set = account.options.get(PROFILE_PREFIX).map(String::as_str).filter(|prefix| !prefix.is_empty());
    let of_region = || PROFILES.iter().find(|(start, _)| region.starts_with(start)).map(|(_, profile)| *profile);
    match set.or_else(of_region) {
        None | Some("none") => id.to_owned(),
        Some(profile) => format!("{profile}.{id}"),
    }
}
