//! Where the content of an image or a document is.

use serde_json::value::RawValue;

use super::object::{Object, malformed, value};
use crate::dialect::convert::ConvertError;
use crate::dialect::form::{Losses, Source};

/// Reads the `source` of a block; `None` when it had to be dropped.
pub(super) fn source(block: &mut Object<'_>, losses: &mut Losses) -> Result<Option<Source>, ConvertError> {
    let Some(mut source) = block.object("source")? else {
        return Err(malformed(&block.at("source"), "is required"));
    };
    let kind: String = source.need("type")?;
    let read = match kind.as_str() {
        "base64" => Source::Base64 { media_type: source.need("media_type")?, data: source.need("data")? },
        "url" => Source::Url { url: source.need("url")?, media_type: source.take("media_type")? },
        "text" => {
            source.raw("media_type");
            Source::Text(source.need("data")?)
        }
        "content" => match content_text(&mut source, losses)? {
            Some(text) => Source::Text(text),
            None => return Ok(None),
        },
        "file" => {
            losses.refuse("file_id", source.path(), "file ids of a vendor cannot be translated")?;
            return Ok(None);
        }
        _ => {
            losses.refuse("unknown_source", source.path(), "this source cannot be translated")?;
            return Ok(None);
        }
    };
    source.end(losses);
    Ok(Some(read))
}

/// A document that is given as content blocks is text when all of them are.
fn content_text(source: &mut Object<'_>, losses: &mut Losses) -> Result<Option<String>, ConvertError> {
    let path = source.at("content");
    let raw: &RawValue = source.need("content")?;
    if raw.get().starts_with('"') {
        return value(raw, &path).map(Some);
    }
    let mut texts = Vec::new();
    for (at, raw) in value::<Vec<&RawValue>>(raw, &path)?.into_iter().enumerate() {
        let mut block = Object::read(raw.get(), format!("{path}[{at}]"))?;
        if block.need::<String>("type")? == "text" {
            texts.push(block.need::<String>("text")?);
        } else {
            losses.refuse("document_content", block.path(), "only text can be translated here")?;
        }
    }
    Ok((!texts.is_empty()).then(|| texts.join("\n\n")))
}
