//! Parts of a message, as this dialect can say them.

use super::body::{File, ImageUrl, InputAudio, Item};
use crate::dialect::form::{Losses, Media, Part, Source, Unsupported};

/// A piece of content; `None` for what may be lost, and for what is no content here (calls, results, reasoning).
pub(super) fn item(part: &Part, path: &str, losses: &mut Losses) -> Result<Option<Item>, Unsupported> {
    match part {
        Part::Text { text, cache } => {
            if cache.is_some() {
                losses.drop("cache_control");
            }
            Ok(Some(Item::Text { text: text.clone() }))
        }
        Part::Refusal(text) => Ok(Some(Item::Text { text: text.clone() })),
        Part::Image(media) => image(media, path, losses),
        Part::Document(media) => document(media, path, losses),
        Part::Audio(media) => audio(media, path, losses),
        Part::Video(_) => lose(losses, "video", path, "this dialect takes no video"),
        Part::Reasoning(_) => {
            losses.drop("reasoning");
            Ok(None)
        }
        Part::ToolCall(_) | Part::ToolResult(_) => lose(losses, "misplaced", path, "does not belong into this message"),
    }
}

fn lose(losses: &mut Losses, word: &'static str, path: &str, what: &'static str) -> Result<Option<Item>, Unsupported> {
    losses.refuse(word, path, what)?;
    Ok(None)
}

fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

fn image(media: &Media, path: &str, losses: &mut Losses) -> Result<Option<Item>, Unsupported> {
    let url = match &media.source {
        Source::Base64 { media_type, data } => data_url(media_type, data),
        Source::Url { url, .. } => url.clone(),
        Source::Text(_) => return lose(losses, "image", path, "an image must be data or an address"),
    };
    Ok(Some(Item::ImageUrl { image_url: ImageUrl { url, detail: media.detail.clone() } }))
}

fn document(media: &Media, path: &str, losses: &mut Losses) -> Result<Option<Item>, Unsupported> {
    if media.context.is_some() {
        losses.drop("document_context");
    }
    match &media.source {
        Source::Base64 { media_type, data } => {
            let filename = media.name.clone().unwrap_or_else(|| file_name(media_type));
            Ok(Some(Item::File { file: File { filename, file_data: data_url(media_type, data) } }))
        }
        Source::Text(text) => {
            if media.name.is_some() {
                losses.drop("document_title");
            }
            Ok(Some(Item::Text { text: text.clone() }))
        }
        Source::Url { .. } => lose(losses, "document_url", path, "this dialect takes no address of a document"),
    }
}

/// A name is required; its ending says the media type once more.
fn file_name(media_type: &str) -> String {
    let ending = match media_type {
        "application/pdf" => "pdf",
        "text/plain" => "txt",
        other => other.rsplit_once('/').map_or(other, |(_, subtype)| subtype),
    };
    format!("document.{ending}")
}

fn audio(media: &Media, path: &str, losses: &mut Losses) -> Result<Option<Item>, Unsupported> {
    let Source::Base64 { media_type, data } = &media.source else {
        return lose(losses, "audio", path, "a sound must be data");
    };
    let format = match media_type.as_str() {
        "audio/mp3" | "audio/mpeg" => "mp3",
        "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
        _ => return lose(losses, "audio", path, "a sound must be mp3 or wav"),
    };
    Ok(Some(Item::InputAudio { input_audio: InputAudio { data: data.clone(), format } }))
}
