//! Content of a message or of a tool's output as parts.

use serde_json::Value;

use super::item::text;
use crate::dialect::convert::ConvertError;
use crate::dialect::form::{Losses, Media, Part, Source};

/// Reads content: a string, or a list of content parts. `path` is its place in the body.
///
/// # Errors
/// When it is neither, or holds what cannot be carried.
pub fn parts(content: &Value, path: &str, losses: &mut Losses) -> Result<Vec<Part>, ConvertError> {
    match content {
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(list) => {
            let mut parts = Vec::with_capacity(list.len());
            for (i, content) in list.iter().enumerate() {
                parts.extend(part(content, &format!("{path}[{i}]"), losses)?);
            }
            Ok(parts)
        }
        _ => Err(malformed(path, "a string or a list is required")),
    }
}

/// The error of a body that is no request.
pub fn malformed(path: &str, what: &str) -> ConvertError {
    ConvertError::Malformed(format!("{path}: {what}"))
}

fn part(content: &Value, path: &str, losses: &mut Losses) -> Result<Option<Part>, ConvertError> {
    let required = |member| text(content, member).ok_or_else(|| malformed(path, "a text is required"));
    Ok(match text(content, "type") {
        Some("output_text") => {
            if content["annotations"].as_array().is_some_and(|list| !list.is_empty()) {
                losses.drop("annotations");
            }
            Some(Part::text(required("text")?))
        }
        Some("input_text" | "text" | "summary_text" | "reasoning_text") => Some(Part::text(required("text")?)),
        Some("refusal") => Some(Part::Refusal(required("refusal")?.to_owned())),
        Some("input_image") => image(content, path, losses)?,
        Some("input_file") => file(content, path, losses)?,
        Some(_) => {
            losses.refuse("content", path, "this kind of content cannot be translated")?;
            None
        }
        None => return Err(malformed(path, "a type is required")),
    })
}

fn image(content: &Value, path: &str, losses: &mut Losses) -> Result<Option<Part>, ConvertError> {
    let Some(url) = text(content, "image_url") else { return vendor_file(content, path, losses) };
    let detail = text(content, "detail").map(str::to_owned);
    Ok(Some(Part::Image(Media { detail, ..Media::of(source_of_url(url)) })))
}

fn file(content: &Value, path: &str, losses: &mut Losses) -> Result<Option<Part>, ConvertError> {
    let name = text(content, "filename").map(str::to_owned);
    let source = match (text(content, "file_data"), text(content, "file_url")) {
        (Some(data), _) => inline(data).unwrap_or_else(|| Source::Base64 {
            media_type: media_type_of_name(name.as_deref()).to_owned(),
            data: data.to_owned(),
        }),
        (None, Some(url)) => source_of_url(url),
        (None, None) => return vendor_file(content, path, losses),
    };
    Ok(Some(Part::Document(Media { name, ..Media::of(source) })))
}

/// Files stored at the vendor exist nowhere else.
fn vendor_file(content: &Value, path: &str, losses: &mut Losses) -> Result<Option<Part>, ConvertError> {
    if text(content, "file_id").is_none() {
        return Err(malformed(path, "an url or data is required"));
    }
    losses.refuse("file_id", format!("{path}.file_id"), "a file stored at the vendor cannot be translated")?;
    Ok(None)
}

fn source_of_url(url: &str) -> Source {
    inline(url).unwrap_or_else(|| Source::Url { url: url.to_owned(), media_type: None })
}

/// What a `data:` URL with base64 holds.
fn inline(url: &str) -> Option<Source> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?.split(';').next()?;
    Some(Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() })
}

/// Bare base64 says its type by the file's name only; the vendor takes it for a PDF otherwise.
fn media_type_of_name(name: Option<&str>) -> &'static str {
    match name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
        Some("txt" | "log") => "text/plain",
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        Some("html") => "text/html",
        _ => "application/pdf",
    }
}
