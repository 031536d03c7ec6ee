//! The conversation as input items.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::dialect::form::{Losses, Media, Part, Reasoning, Role, Source, ToolResult, Turn, Unsupported};

/// An input item.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Item {
    /// Something said.
    Message {
        /// `user`, `assistant` or `developer`.
        role: &'static str,
        /// Content parts.
        content: Vec<Value>,
    },
    /// A call that the model made.
    FunctionCall {
        /// Links call and result.
        call_id: String,
        /// Tool.
        name: String,
        /// JSON text.
        arguments: String,
    },
    /// What the model thought before a call, as it sealed it.
    Reasoning {
        /// The vendor's id.
        id: String,
        /// Nothing that can be read.
        summary: [(); 0],
        /// The seal.
        encrypted_content: String,
    },
    /// What the tool answered.
    FunctionCallOutput {
        /// The call.
        call_id: String,
        /// Text, or a list of content parts.
        output: Value,
    },
}

/// Writes turns as items, in order.
///
/// # Errors
/// When a part has no counterpart.
pub fn items(turns: &[Turn], losses: &mut Losses) -> Result<Vec<Item>, Unsupported> {
    let mut items = Vec::new();
    for (i, turn) in turns.iter().enumerate() {
        for (j, part) in turn.parts.iter().enumerate() {
            push(&mut items, turn.role, part, &format!("messages[{i}].content[{j}]"), losses)?;
        }
    }
    Ok(items)
}

/// Counts a caching hint that has no place here.
pub fn drop_cache(cache: Option<&Value>, losses: &mut Losses) {
    if cache.is_some() {
        losses.drop("cache_control");
    }
}

fn push(items: &mut Vec<Item>, role: Role, part: &Part, path: &str, losses: &mut Losses) -> Result<(), Unsupported> {
    match part {
        Part::ToolCall(call) => items.push(Item::FunctionCall {
            call_id: call_id(&call.id).into_owned(),
            name: call.name.clone(),
            arguments: if call.arguments.is_empty() { "{}".to_owned() } else { call.arguments.clone() },
        }),
        Part::ToolResult(result) => items.push(Item::FunctionCallOutput {
            call_id: call_id(&result.id).into_owned(),
            output: output(result, path, losses)?,
        }),
        // Only this dialect names its items: what is sealed and named was made by the account that gets it back.
        Part::Reasoning(Reasoning { sealed: Some(sealed), id: Some(id), .. }) => {
            items.push(Item::Reasoning { id: id.clone(), summary: [], encrypted_content: sealed.clone() });
        }
        // Bound to the vendor that made it.
        Part::Reasoning(_) => losses.drop("reasoning"),
        said => {
            if let Some(content) = content(role, said, path, losses)? {
                say(items, role, content);
            }
        }
    }
    Ok(())
}

/// Adds to the message before, when it is of the same role.
fn say(items: &mut Vec<Item>, role: Role, content: Value) {
    let role = match role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::System => "developer",
    };
    match items.last_mut() {
        Some(Item::Message { role: before, content: list }) if *before == role => list.push(content),
        _ => items.push(Item::Message { role, content: vec![content] }),
    }
}

fn content(role: Role, part: &Part, path: &str, losses: &mut Losses) -> Result<Option<Value>, Unsupported> {
    let assistant = role == Role::Assistant;
    Ok(match part {
        Part::Text { text, cache } => {
            drop_cache(cache.as_ref(), losses);
            Some(json!({ "type": if assistant { "output_text" } else { "input_text" }, "text": text }))
        }
        Part::Refusal(refusal) if assistant => Some(json!({ "type": "refusal", "refusal": refusal })),
        Part::Refusal(refusal) => Some(json!({ "type": "input_text", "text": refusal })),
        Part::Image(media) if !assistant => Some(image(media)),
        Part::Document(media) if !assistant => Some(document(media, losses)),
        Part::Image(_) | Part::Document(_) => {
            losses.refuse("assistant_media", path, "media of the assistant cannot be translated")?;
            None
        }
        Part::Audio(_) => {
            losses.refuse("audio", path, "audio cannot be translated to this model's API")?;
            None
        }
        Part::Video(_) => {
            losses.refuse("video", path, "video cannot be translated to this model's API")?;
            None
        }
        // Said by `push` already.
        Part::ToolCall(_) | Part::ToolResult(_) | Part::Reasoning(_) => None,
    })
}

/// One text is a string, which every relay of this dialect takes; anything else is a list.
fn output(result: &ToolResult, path: &str, losses: &mut Losses) -> Result<Value, Unsupported> {
    if result.is_error {
        losses.drop("tool_error");
    }
    match result.content.as_slice() {
        [] => Ok(json!("")),
        [Part::Text { text, cache }] => {
            drop_cache(cache.as_ref(), losses);
            Ok(json!(text))
        }
        parts => {
            let mut list = Vec::with_capacity(parts.len());
            for (i, part) in parts.iter().enumerate() {
                list.extend(content(Role::User, part, &format!("{path}.content[{i}]"), losses)?);
            }
            Ok(Value::Array(list))
        }
    }
}

fn image(media: &Media) -> Value {
    let mut image = match &media.source {
        Source::Base64 { media_type, data } => {
            json!({ "type": "input_image", "image_url": data_url(media_type, data) })
        }
        Source::Url { url, .. } => json!({ "type": "input_image", "image_url": url }),
        Source::Text(text) => json!({ "type": "input_text", "text": text }),
    };
    if let Some(detail) = &media.detail {
        image["detail"] = json!(detail);
    }
    image
}

/// A document that is just text is text here; its title stands before it, so that the model can still name it.
fn document(media: &Media, losses: &mut Losses) -> Value {
    if media.context.is_some() {
        losses.drop("document_context");
    }
    match &media.source {
        Source::Base64 { media_type, data } => {
            // Data without a name is refused by the vendor.
            let name = media.name.clone().unwrap_or_else(|| format!("document.{}", ending(media_type)));
            json!({ "type": "input_file", "filename": name, "file_data": data_url(media_type, data) })
        }
        Source::Url { url, .. } => json!({ "type": "input_file", "file_url": url }),
        Source::Text(text) => {
            let title = media.name.as_ref().map(|name| format!("{name}\n\n")).unwrap_or_default();
            json!({ "type": "input_text", "text": format!("{title}{text}") })
        }
    }
}

fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

fn ending(media_type: &str) -> &str {
    match media_type {
        "text/plain" => "txt",
        "text/markdown" => "md",
        other => other.rsplit_once('/').map_or("pdf", |(_, kind)| kind),
    }
}

/// The id, or one made of its hash when the vendor would not take it. Call and result get the same one, and answers bring ids
/// of their own, so nothing has to be turned back.
fn call_id(id: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=64).contains(&id.len()) && id.bytes().all(plain) {
        return Cow::Borrowed(id);
    }
    let hash = hex::encode(Sha256::digest(id.as_bytes()));
    Cow::Owned(format!("call_{}", hash.get(..32).unwrap_or_default()))
}
