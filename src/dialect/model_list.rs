//! Model lists in the shapes of the Anthropic (A), OpenAI (C) and Google (G) dialects (`relay-api.md` §6).

use actors::domain::time::Timestamp;
use serde::Serialize;

/// A model that a key may use, in no dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEntry {
    /// The name to ask for.
    pub id: String,
    /// For people.
    pub display_name: String,
    /// When it was published, or when we learnt of it.
    pub created_at: Timestamp,
    /// Vendor.
    pub owned_by: String,
    /// Longest prompt in tokens.
    pub max_input_tokens: Option<u64>,
    /// Longest answer in tokens.
    pub max_output_tokens: Option<u64>,
}

/// Which part of an Anthropic list to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// 1 to 1000, clamped; absent = 20.
    pub limit: Option<usize>,
    /// Only what follows this id.
    pub after_id: Option<String>,
    /// Only what precedes this id.
    pub before_id: Option<String>,
}

#[derive(Serialize)]
struct AnthropicModel<'a> {
    r#type: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
}

impl<'a> From<&'a ModelEntry> for AnthropicModel<'a> {
    fn from(entry: &'a ModelEntry) -> Self {
        Self {
            r#type: "model",
            id: &entry.id,
            display_name: &entry.display_name,
            created_at: entry.created_at.to_rfc3339(),
            max_input_tokens: entry.max_input_tokens,
            max_tokens: entry.max_output_tokens,
        }
    }
}

#[derive(Serialize)]
struct AnthropicList<'a> {
    data: Vec<AnthropicModel<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

/// The list for an Anthropic client.
pub fn anthropic_list(entries: &[ModelEntry], page: &Page) -> Vec<u8> {
    let (shown, has_more) = window(entries, page);
    json(&AnthropicList {
        data: shown.iter().map(Into::into).collect(),
        has_more,
        first_id: shown.first().map(|entry| entry.id.as_str()),
        last_id: shown.last().map(|entry| entry.id.as_str()),
    })
}

/// The entries of a page, and whether more follow in its direction.
fn window<'a>(entries: &'a [ModelEntry], page: &Page) -> (&'a [ModelEntry], bool) {
    let limit = page.limit.unwrap_or(20).clamp(1, 1000);
    let position = |id: &String| entries.iter().position(|entry| entry.id == *id);
    if let Some(end) = page.before_id.as_ref().and_then(position) {
        let start = end.saturating_sub(limit);
        return (entries.get(start..end).unwrap_or_default(), start > 0);
    }
    let start = page.after_id.as_ref().and_then(position).map_or(0, |at| at + 1);
    let rest = entries.get(start..).unwrap_or_default();
    (rest.get(..limit).unwrap_or(rest), rest.len() > limit)
}

/// One model for an Anthropic client.
pub fn anthropic_one(entry: &ModelEntry) -> Vec<u8> {
    json(&AnthropicModel::from(entry))
}

#[derive(Serialize)]
struct OpenAiModel<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    owned_by: &'a str,
}

impl<'a> From<&'a ModelEntry> for OpenAiModel<'a> {
    fn from(entry: &'a ModelEntry) -> Self {
        Self {
            id: &entry.id,
            object: "model",
            created: entry.created_at.0.div_euclid(1_000),
            owned_by: &entry.owned_by,
        }
    }
}

#[derive(Serialize)]
struct OpenAiList<'a> {
    object: &'static str,
    data: Vec<OpenAiModel<'a>>,
}

/// The list for an OpenAI client.
pub fn openai_list(entries: &[ModelEntry]) -> Vec<u8> {
    json(&OpenAiList { object: "list", data: entries.iter().map(Into::into).collect() })
}

/// One model for an OpenAI client.
pub fn openai_one(entry: &ModelEntry) -> Vec<u8> {
    json(&OpenAiModel::from(entry))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GoogleModel<'a> {
    name: String,
    display_name: &'a str,
    supported_generation_methods: [&'static str; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    input_token_limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_token_limit: Option<u64>,
}

impl<'a> From<&'a ModelEntry> for GoogleModel<'a> {
    fn from(entry: &'a ModelEntry) -> Self {
        Self {
            name: format!("models/{}", entry.id),
            display_name: &entry.display_name,
            supported_generation_methods: ["generateContent", "countTokens"],
            input_token_limit: entry.max_input_tokens,
            output_token_limit: entry.max_output_tokens,
        }
    }
}

#[derive(Serialize)]
struct GoogleList<'a> {
    models: Vec<GoogleModel<'a>>,
}

/// The list for a Google client.
pub fn google_list(entries: &[ModelEntry]) -> Vec<u8> {
    json(&GoogleList { models: entries.iter().map(Into::into).collect() })
}

/// One model for a Google client.
pub fn google_one(entry: &ModelEntry) -> Vec<u8> {
    json(&GoogleModel::from(entry))
}

/// Strings, numbers and lists always serialise.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str) -> ModelEntry {
        ModelEntry {
            id: id.to_owned(),
            display_name: id.to_uppercase(),
            created_at: Timestamp(1_700_000_000_500),
            owned_by: "anthropic".to_owned(),
            max_input_tokens: Some(200_000),
            max_output_tokens: None,
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn each_dialect_has_its_shape() {
        let one = [entry("m")];
        assert_eq!(
            text(anthropic_list(&one, &Page::default())),
            r#"{"data":[{"type":"model","id":"m","display_name":"M","created_at":"2023-11-14T22:13:20.500Z","max_input_tokens":200000}],"has_more":false,"first_id":"m","last_id":"m"}"#
        );
        assert_eq!(
            text(openai_list(&one)),
            r#"{"object":"list","data":[{"id":"m","object":"model","created":1700000000,"owned_by":"anthropic"}]}"#
        );
        assert_eq!(
            text(google_list(&one)),
            r#"{"models":[{"name":"models/m","displayName":"M","supportedGenerationMethods":["generateContent","countTokens"],"inputTokenLimit":200000}]}"#
        );
        assert_eq!(
            text(anthropic_list(&[], &Page::default())),
            r#"{"data":[],"has_more":false,"first_id":null,"last_id":null}"#
        );
    }

    #[test]
    fn pages_go_forward_and_back() {
        let all: Vec<ModelEntry> = ["a", "b", "c", "d"].iter().map(|id| entry(id)).collect();
        let page = |limit, after: Option<&str>, before: Option<&str>| {
            let page = Page { limit, after_id: after.map(str::to_owned), before_id: before.map(str::to_owned) };
            let (shown, more) = window(&all, &page);
            (shown.iter().map(|e| e.id.as_str()).collect::<String>(), more)
        };
        assert_eq!(page(None, None, None), ("abcd".to_owned(), false));
        assert_eq!(page(Some(2), None, None), ("ab".to_owned(), true));
        assert_eq!(page(Some(2), Some("b"), None), ("cd".to_owned(), false));
        assert_eq!(page(Some(2), None, Some("d")), ("bc".to_owned(), true));
        assert_eq!(page(Some(0), Some("d"), None), (String::new(), false));
    }
}
