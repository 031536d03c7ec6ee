//! The routing value `x-api-provider`: whose hardware serves a model (`upstreams.md` §2.11).

use actors::domain::account::AccountSpec;
use actors::domain::model::{default_families, family_of};

use crate::dialect::Dialect;

/// Account options that override the table begin so and end in a family or a part of the model's name.
const OVERRIDE: &str = "api_provider.";

/// On the Chat path: a part of the model's name and its provider; the first that fits counts.
const CHAT: [(&str, &str); 8] = [
    ("claude", "anthropic"),
    ("gemini", "google"),
    ("gpt-oss", "fireworks"),
    ("gpt", "azure_openai"),
    ("codex", "azure_openai"),
    ("kimi", "baseten"),
    ("glm", "fireworks"),
    ("deepseek", "fireworks"),
];

/// Provider of a model that no row knows: the open models are served there.
const OTHERWISE: &str = "fireworks";

/// The provider of a model on the path of a dialect.
pub(super) fn of<'a>(model: &str, account: &'a AccountSpec, dialect: Dialect) -> &'a str {
    let upstream = account.upstream_model(model).to_ascii_lowercase();
    if let Some(provider) = overridden(&upstream, account) {
        return provider;
    }
    match dialect {
        Dialect::Responses if upstream.contains("-max") => "openai",
        Dialect::Responses => "azure_openai",
        Dialect::Chat => CHAT.iter().find(|(part, _)| upstream.contains(part)).map_or_else(
            || if is_reasoning(&upstream) { "azure_openai" } else { OTHERWISE },
            |(_, provider)| *provider,
        ),
        _ => "anthropic",
    }
}

/// The operator's word; of several that fit the longest, which says most.
fn overridden<'a>(upstream: &str, account: &'a AccountSpec) -> Option<&'a str> {
    let overrides =
        account.options.iter().filter_map(|(name, provider)| Some((name.strip_prefix(OVERRIDE)?, provider)));
    let mut family = None;
    let mut fits = |word: &str| {
        let family = family.get_or_insert_with(|| family_of(upstream, &default_families()));
        !word.is_empty() && (upstream.contains(word) || *family.0 == *word)
    };
    let best = overrides.filter(|(word, _)| fits(&word.to_ascii_lowercase())).max_by_key(|(word, _)| word.len());
    best.map(|(_, provider)| provider.trim()).filter(|provider| !provider.is_empty())
}

/// `o1`, `o3-mini`, `o4`.
fn is_reasoning(model: &str) -> bool {
    let mut bytes = model.bytes();
    bytes.next() == Some(b'o') && bytes.next().is_some_and(|byte| byte.is_ascii_digit())
}
