//! A chunk or an answer as far as watching it goes: nothing is copied, and only what is acted on is looked into.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::estimate::TextBytes;

/// A chunk of a stream, or a whole answer.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) service_tier: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    /// Image and audio streams name their events here.
    #[serde(borrow, default)]
    pub(super) r#type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    /// Embeddings, images.
    #[serde(borrow, default)]
    pub(super) data: Option<&'a RawValue>,
    /// Transcriptions.
    #[serde(borrow, default)]
    pub(super) text: Option<&'a RawValue>,
}

/// One choice of an answer.
#[derive(Debug, Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(borrow, default)]
    pub(super) delta: Option<Content<'a>>,
    #[serde(borrow, default)]
    pub(super) message: Option<Content<'a>>,
    /// Legacy completions.
    #[serde(borrow, default)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<&'a RawValue>,
}

/// What a delta or a message says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
}

impl<'a> Content<'a> {
    /// Vendors repeat the same reasoning under several names: the first that says something.
    fn reasoning(&self) -> Option<&'a RawValue> {
        [self.reasoning_content, self.reasoning, self.reasoning_details].into_iter().flatten().find(|raw| says(raw))
    }

    /// True when it says anything; a role alone does not.
    pub(super) fn is_content(&self) -> bool {
        self.reasoning().is_some()
            || [self.content, self.refusal, self.tool_calls, self.function_call, self.audio]
                .into_iter()
                .flatten()
                .any(says)
    }

    /// Bytes of text, reasoning and tool arguments.
    pub(super) fn bytes(&self) -> TextBytes {
        let mut bytes = TextBytes::default();
        for raw in [self.content, self.reasoning(), self.refusal].into_iter().flatten() {
            bytes += text_bytes(raw);
        }
        let calls = self.tool_calls.and_then(|raw| serde_json::from_str::<Vec<Call<'_>>>(raw.get()).ok());
        let legacy = self.function_call.and_then(|raw| serde_json::from_str::<Function<'_>>(raw.get()).ok());
        for function in calls.into_iter().flatten().map(|call| call.function).chain(legacy) {
            if let Some(raw) = function.arguments {
                bytes += text_bytes(raw);
            }
        }
        bytes
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Call<'a> {
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Function<'a> {
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// True for a value with something in it.
pub(super) fn says(raw: &RawValue) -> bool {
    !matches!(raw.get(), "\"\"" | "[]" | "{}" | "null")
}

/// The text of a JSON string that is not empty.
pub(super) fn string(raw: Option<&RawValue>) -> Option<String> {
    raw.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok()).filter(|text| !text.is_empty())
}

/// Bytes of a text; of a list of parts, the bytes of its JSON.
pub(super) fn text_bytes(raw: &RawValue) -> TextBytes {
    let json = raw.get();
    let inner = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json);
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return TextBytes::of(inner.as_bytes());
    }
    serde_json::from_str::<String>(json)
        .map_or_else(|_| TextBytes::of(json.as_bytes()), |text| TextBytes::of(text.as_bytes()))
}
