//! Parts of the form as content blocks.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::dialect::form::{Losses, Media, Part, Role, Source, ToolCall, ToolResult, Unsupported};
use crate::dialect::ids;

/// A block as it is written.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a Value>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    Image {
        source: Place<'a>,
    },
    Document {
        source: Place<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        context: Option<&'a str>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Arguments<'a>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Block<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

/// Where content is.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Place<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Url { url: &'a str },
    Text { media_type: &'static str, data: Cow<'a, str> },
}

/// Arguments of a call: this dialect takes nothing but an object.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Arguments<'a> {
    Object(&'a RawValue),
    Empty {},
    Other {
        #[serde(rename = "_raw")]
        raw: &'a str,
    },
}

impl<'a> Arguments<'a> {
    /// The arguments in a JSON text, whatever it is.
    pub(super) fn of(text: &'a str) -> Self {
        match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) if raw.get().starts_with('{') => Self::Object(raw),
            Err(_) if text.trim().is_empty() => Self::Empty {},
            _ => Self::Other { raw: text },
        }
    }
}

/// A part as a block of a message; `None` when it is dropped.
pub(super) fn block<'a>(
    part: &'a Part,
    role: Role,
    path: &str,
    losses: &mut Losses,
) -> Result<Option<Block<'a>>, Unsupported> {
    let is_media = matches!(part, Part::Image(_) | Part::Document(_) | Part::Audio(_) | Part::Video(_));
    if is_media && role != Role::User {
        losses.refuse("assistant_media", path, "only the user can send media in this dialect")?;
        return Ok(None);
    }
    Ok(match part {
        Part::Text { text, cache } => text_block(text, cache.as_ref(), losses),
        Part::Refusal(text) => text_block(text, None, losses),
        Part::Image(media) => image(media, path, losses)?,
        Part::Document(media) => document(media, path, losses)?,
        Part::Audio(_) => refused("audio", path, "audio cannot be translated into this dialect", losses)?,
        Part::Video(_) => refused("video", path, "video cannot be translated into this dialect", losses)?,
        Part::ToolCall(call) => Some(tool_use(call)),
        Part::ToolResult(result) => Some(tool_result(result, path, losses)?),
        Part::Reasoning(_) => {
            // Bound to the vendor that made it: this one would refuse a signature that is not its own.
            losses.drop("reasoning");
            None
        }
    })
}

fn refused<'a>(
    word: &'static str,
    path: &str,
    what: &'static str,
    losses: &mut Losses,
) -> Result<Option<Block<'a>>, Unsupported> {
    losses.refuse(word, path, what).map(|()| None)
}

/// The vendor refuses text without a visible character.
fn text_block<'a>(text: &'a str, cache_control: Option<&'a Value>, losses: &mut Losses) -> Option<Block<'a>> {
    if text.trim().is_empty() {
        if !text.is_empty() {
            losses.drop("blank_text");
        }
        return None;
    }
    Some(Block::Text { text, cache_control })
}

fn image<'a>(media: &'a Media, path: &str, losses: &mut Losses) -> Result<Option<Block<'a>>, Unsupported> {
    if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
        losses.drop("image_detail");
    }
    Ok(match &media.source {
        Source::Base64 { media_type, data } => Some(Block::Image { source: Place::Base64 { media_type, data } }),
        Source::Url { url, .. } => Some(Block::Image { source: Place::Url { url } }),
        Source::Text(_) => refused("image_source", path, "an image cannot be text", losses)?,
    })
}

fn document<'a>(media: &'a Media, path: &str, losses: &mut Losses) -> Result<Option<Block<'a>>, Unsupported> {
    let source = match &media.source {
        Source::Base64 { media_type, data } if media_type.starts_with("text/") => {
            let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let Some(text) = text else {
                return refused("document_text", path, "the document is not valid UTF-8 in base64", losses);
            };
            Place::Text { media_type: "text/plain", data: Cow::Owned(text) }
        }
        Source::Base64 { media_type, data } => Place::Base64 { media_type, data },
        Source::Url { url, .. } => Place::Url { url },
        Source::Text(text) => Place::Text { media_type: "text/plain", data: Cow::Borrowed(text) },
    };
    Ok(Some(Block::Document { source, title: media.name.as_deref(), context: media.context.as_deref() }))
}

pub(super) fn tool_use(call: &ToolCall) -> Block<'_> {
    Block::ToolUse { id: ids::portable(&call.id), name: &call.name, input: Arguments::of(&call.arguments) }
}

fn tool_result<'a>(result: &'a ToolResult, path: &str, losses: &mut Losses) -> Result<Block<'a>, Unsupported> {
    let mut content = Vec::with_capacity(result.content.len());
    for (at, part) in result.content.iter().enumerate() {
        content.extend(block(part, Role::User, &format!("{path}.content[{at}]"), losses)?);
    }
    Ok(Block::ToolResult { tool_use_id: ids::portable(&result.id), content, is_error: result.is_error })
}
