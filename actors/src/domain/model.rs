//! Model names: routing prefix, context suffix, families and list patterns.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::account::{AccountKind, Platform};

/// A model family: the scope of many vendor limits. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Family(pub Arc<str>);

impl Family {
    /// Metric label: the family, or `other` for the families that are just one model's name.
    pub fn label(&self) -> &str {
        if self.0.starts_with("other:") { "other" } else { &self.0 }
    }
}

/// Families that get a metric label of their own.
pub const FAMILY_LABELS: [&str; 8] =
    ["opus", "sonnet", "haiku", "fable", "openai", "gemini-flash", "gemini-pro", "other"];

/// A rule of the family table: the first rule whose every part holds decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FamilyRule {
    /// All of these occur in the lower-cased name.
    #[serde(default)]
    pub contains: Vec<String>,
    /// The lower-cased name starts with one of these; empty = any start.
    #[serde(default)]
    pub starts: Vec<String>,
    /// The family it gives.
    pub family: String,
}

/// The default table (`scheduling.md` §2).
pub fn default_families() -> Vec<FamilyRule> {
    let rule = |contains: &[&str], starts: &[&str], family: &str| FamilyRule {
        contains: contains.iter().map(ToString::to_string).collect(),
        starts: starts.iter().map(ToString::to_string).collect(),
        family: family.to_owned(),
    };
    vec![
        rule(&["opus"], &[], "opus"),
        rule(&["sonnet"], &[], "sonnet"),
        rule(&["haiku"], &[], "haiku"),
        rule(&["fable"], &[], "fable"),
        rule(&[], &["gpt-", "o1", "o3", "o4", "codex"], "openai"),
        rule(&["gemini", "flash"], &[], "gemini-flash"),
        rule(&["gemini", "pro"], &[], "gemini-pro"),
    ]
}

/// The family of a requested model whose routing prefix was removed; `other:<model>` when no rule matches.
pub fn family_of(model: &str, table: &[FamilyRule]) -> Family {
    let lower = model.to_ascii_lowercase();
    let matches = |rule: &&FamilyRule| {
        rule.contains.iter().all(|part| lower.contains(part.as_str()))
            && (rule.starts.is_empty() || rule.starts.iter().any(|s| lower.starts_with(s.as_str())))
    };
    table
        .iter()
        .find(matches)
        .map_or_else(|| Family(Arc::from(format!("other:{lower}"))), |rule| Family(Arc::from(rule.family.as_str())))
}

/// The platform that a model's name belongs to, by its beginning; routing prefix and vendor prefix are looked through.
pub fn platform_of_model(model: &str) -> Option<Platform> {
    let lower = lookup_name(model).to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or(&lower);
    let starts = |list: &[&str]| list.iter().any(|start| name.starts_with(start));
    let o_series = || name.strip_prefix('o').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if name.contains("claude") || starts(&["anthropic."]) {
        Some(Platform::Claude)
    } else if starts(&["gemini", "learnlm", "gemma"]) {
        Some(Platform::Gemini)
    } else if starts(&["gpt", "chatgpt", "codex", "text-embedding", "dall-e", "whisper", "tts"]) || o_series() {
        Some(Platform::OpenAi)
    } else {
        None
    }
}

/// A requested model split into its routing prefix and the name to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoutedModel<'a> {
    /// The account kind that `type,model` forces.
    pub forced: Option<AccountKind>,
    /// The name without the prefix.
    pub name: &'a str,
}

/// Splits `ccr,claude-sonnet-4-5` into the forced kind and the name. A prefix that names no kind stays in the name.
pub fn split_routing_prefix(model: &str) -> RoutedModel<'_> {
    let forced = model.split_once(',').and_then(|(kind, name)| Some((AccountKind::parse(kind.trim())?, name.trim())));
    match forced {
        Some((kind, name)) if !name.is_empty() => RoutedModel { forced: Some(kind), name },
        _ => RoutedModel { forced: None, name: model },
    }
}

/// The name without the `[1m]` context suffix, as lists and prices look it up. It is forwarded with the suffix.
pub fn lookup_name(model: &str) -> &str {
    model.strip_suffix("[1m]").unwrap_or(model)
}

/// An entry of a model list: exact, or with `*` wildcards; the whole name, ignoring case (`access.md` §7.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Pattern(pub String);

impl Pattern {
    /// True when the pattern covers the whole of `name`.
    pub fn matches(&self, name: &str) -> bool {
        wildcard(self.0.as_bytes(), lookup_name(name).as_bytes())
    }
}

/// Linear-time wildcard match, ignoring case: on a mismatch only the last `*` can grow.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if text.get(t).is_some_and(|other| other.eq_ignore_ascii_case(byte)) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star_p, star_t)) = star else { return false };
                star = Some((star_p, star_t + 1));
                p = star_p + 1;
                t = star_t + 1;
            }
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_follow_the_table_in_order() {
        let table = default_families();
        for (model, family) in [
            ("claude-opus-4-5-20251101", "opus"),
            ("Claude-SONNET-4-5", "sonnet"),
            ("claude-haiku-4-5", "haiku"),
            ("claude-fable-5-1", "fable"),
            ("gpt-5.1-codex", "openai"),
            ("gemini-2.5-flash", "gemini-flash"),
            ("gemini-3.1-pro-preview", "gemini-pro"),
            ("Mistral-Large", "other:mistral-large"),
        ] {
            assert_eq!(&*family_of(model, &table).0, family, "{model}");
        }
        assert_eq!(family_of("mistral", &table).label(), "other");
    }

    #[test]
    fn the_name_of_a_model_tells_its_platform() {
        for (name, expected) in [
            ("claude-sonnet-4-5", Some(Platform::Claude)),
            ("us.anthropic.claude-opus-5-5", Some(Platform::Claude)),
            ("anthropic/claude-haiku-4-5", Some(Platform::Claude)),
            ("gemini-3.1-pro-preview", Some(Platform::Gemini)),
            ("google/gemini-2.5-pro", Some(Platform::Gemini)),
            ("gpt-5.5", Some(Platform::OpenAi)),
            ("GPT-4o", Some(Platform::OpenAi)),
            ("o3-mini", Some(Platform::OpenAi)),
            ("codex-mini", Some(Platform::OpenAi)),
            ("text-embedding-3-small", Some(Platform::OpenAi)),
            ("ollama-x", None),
            ("my-deploy", None),
        ] {
            assert_eq!(platform_of_model(name), expected, "{name}");
        }
    }

    #[test]
    fn only_a_known_kind_is_a_routing_prefix() {
        assert_eq!(
            split_routing_prefix("ccr,claude-sonnet-4"),
            RoutedModel { forced: Some(AccountKind::Ccr), name: "claude-sonnet-4" }
        );
        assert_eq!(split_routing_prefix("vendor,model").forced, None);
        assert_eq!(split_routing_prefix("ccr,").forced, None);
    }

    #[test]
    fn patterns_cover_the_whole_name() {
        let hit = |p: &str, n: &str| Pattern(p.to_owned()).matches(n);
        assert!(hit("claude-*", "Claude-Opus-4-5"));
        assert!(hit("*sonnet*", "claude-sonnet-4-5[1m]"));
        assert!(hit("claude-opus-4-5", "claude-opus-4-5"));
        assert!(!hit("claude", "claude-opus"));
        assert!(!hit("*opus", "claude-opus-4"));
        assert!(hit("*", ""));
    }
}
