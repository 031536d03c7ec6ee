//! The content of a message as parts.

use serde_json::Value;

use super::fields::{Fields, malformed};
use crate::dialect::convert::ConvertError;
use crate::dialect::form::{Losses, Media, Part, Source};

/// Content is absent, a string, or a list of parts.
pub(super) fn parts(content: Option<&Value>, path: &str, losses: &mut Losses) -> Result<Vec<Part>, ConvertError> {
    match content {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::text(text)]),
        Some(Value::Array(list)) => {
            let mut parts = Vec::with_capacity(list.len());
            for (i, value) in list.iter().enumerate() {
                parts.extend(part(&Fields::of(value, format!("{path}[{i}]"))?, losses)?);
            }
            Ok(parts)
        }
        Some(_) => Err(malformed(path, "must be a string or a list of parts")),
    }
}

/// One part; `None` when it may be lost.
fn part(fields: &Fields<'_>, losses: &mut Losses) -> Result<Option<Part>, ConvertError> {
    match fields.required("type")? {
        "text" => {
            let text = fields.required("text")?.to_owned();
            Ok(Some(Part::Text { text, cache: fields.get("cache_control").cloned() }))
        }
        "refusal" => Ok(Some(Part::Refusal(fields.required("refusal")?.to_owned()))),
        "image_url" => image(fields, losses),
        "input_audio" => audio(fields).map(Some),
        "file" => file(fields, losses),
        _ => lose(losses, "content", &fields.path("type"), "this kind of content has no counterpart"),
    }
}

fn lose(losses: &mut Losses, word: &'static str, path: &str, what: &'static str) -> Result<Option<Part>, ConvertError> {
    losses.refuse(word, path, what)?;
    Ok(None)
}

fn image(fields: &Fields<'_>, losses: &mut Losses) -> Result<Option<Part>, ConvertError> {
    let place = fields.path("image_url.url");
    // Some clients write the address in place of the object.
    if let Some(Value::String(url)) = fields.get("image_url") {
        return Ok(source(url, &place, losses)?.map(|source| Part::Image(Media::of(source))));
    }
    let image = fields.object("image_url")?.ok_or_else(|| malformed(&fields.path("image_url"), "is required"))?;
    let detail = image.owned("detail")?;
    let source = source(image.required("url")?, &place, losses)?;
    Ok(source.map(|source| Part::Image(Media { detail, ..Media::of(source) })))
}

/// An address, or the data that a `data:` address holds.
fn source(url: &str, path: &str, losses: &mut Losses) -> Result<Option<Source>, ConvertError> {
    let Some(data) = strip_scheme(url) else {
        return Ok(Some(Source::Url { url: url.to_owned(), media_type: None }));
    };
    if let Some(source) = base64(data) {
        return Ok(Some(source));
    }
    losses.refuse("data_url", path, "a data: address must hold a media type and base64")?;
    Ok(None)
}

fn strip_scheme(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once(':')?;
    scheme.eq_ignore_ascii_case("data").then_some(rest)
}

/// `<media type>[;parameter…];base64,<data>`
fn base64(data: &str) -> Option<Source> {
    let (head, data) = data.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?.split(';').next().filter(|name| !name.is_empty())?;
    Some(Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() })
}

fn audio(fields: &Fields<'_>) -> Result<Part, ConvertError> {
    let audio = fields.object("input_audio")?.ok_or_else(|| malformed(&fields.path("input_audio"), "is required"))?;
    let media_type = format!("audio/{}", audio.required("format")?);
    Ok(Part::Audio(Media::of(Source::Base64 { media_type, data: audio.required("data")?.to_owned() })))
}

fn file(fields: &Fields<'_>, losses: &mut Losses) -> Result<Option<Part>, ConvertError> {
    let file = fields.object("file")?.ok_or_else(|| malformed(&fields.path("file"), "is required"))?;
    let name = file.owned("filename")?;
    let Some(data) = file.string("file_data")? else {
        return lose(
            losses,
            "file_id",
            &file.path("file_id"),
            "ids of uploaded files cannot be used with another vendor",
        );
    };
    let place = file.path("file_data");
    let source = match strip_scheme(data) {
        Some(_) => source(data, &place, losses)?,
        None if name.as_deref().is_some_and(is_pdf) => {
            Some(Source::Base64 { media_type: "application/pdf".to_owned(), data: data.to_owned() })
        }
        None => return lose(losses, "file_data", &place, "must be a data: address, which says the media type"),
    };
    Ok(source.map(|source| Part::Document(Media { name, ..Media::of(source) })))
}

fn is_pdf(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("pdf"))
}
