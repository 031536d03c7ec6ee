//! One part of a turn.

use std::borrow::Cow;

use crate::dialect::convert::ConvertError;
use crate::dialect::form::{Losses, Media, Part, Reasoning, Source, ToolCall, ToolResult};
use crate::dialect::gemini::fields::Fields;
use crate::dialect::peek::text;

use super::contents::Calls;
use super::request::malformed;

/// Members that say something about a part but are not its content.
const ABOUT: [&str; 5] = ["thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"];

/// Reads a part and appends what it says.
pub(super) fn read(
    part: &Fields<'_>,
    path: &str,
    calls: &mut Calls,
    losses: &mut Losses,
    parts: &mut Vec<Part>,
) -> Result<(), ConvertError> {
    if part.names().any(|name| ABOUT[2..].contains(&name)) {
        losses.drop("part_metadata");
    }
    let Some(kind) = part.names().find(|name| !ABOUT.contains(name)) else { return Ok(()) };
    match kind {
        "text" => read_text(part, losses, parts),
        "inlineData" => parts.push(inline_data(part, path)?),
        "fileData" => parts.extend(file_data(part, path, losses)?),
        "functionCall" => read_call(part, path, calls, parts)?,
        "functionResponse" => parts.push(Part::ToolResult(result(part, path, calls, losses)?)),
        "executableCode" | "codeExecutionResult" | "toolCall" | "toolResponse" => {
            losses.refuse("server_tool", format!("{path}.{kind}"), "a tool that the vendor runs has no counterpart")?;
        }
        _ => losses.refuse("unknown_part", format!("{path}.{kind}"), "this kind of part has no counterpart")?,
    }
    Ok(())
}

fn read_text(part: &Fields<'_>, losses: &mut Losses, parts: &mut Vec<Part>) {
    let text = part.string("text").unwrap_or_default();
    let signature = part.string("thoughtSignature");
    if part.is_true("thought") {
        return parts.push(Part::Reasoning(Reasoning { text, signature, ..Reasoning::default() }));
    }
    if signature.is_some() {
        losses.drop("thought_signature");
    }
    parts.push(Part::text(text));
}

/// A call, after its signature: a thought without text that has the call's id.
fn read_call(part: &Fields<'_>, path: &str, calls: &mut Calls, parts: &mut Vec<Part>) -> Result<(), ConvertError> {
    let path = format!("{path}.functionCall");
    let call = part.object("functionCall").ok_or_else(|| malformed(&path, "an object is required"))?;
    let name = call.string("name").ok_or_else(|| malformed(&format!("{path}.name"), "a string is required"))?;
    let id = calls.call(call.string("id").filter(|id| !id.is_empty()), &name);
    if let Some(signature) = part.string("thoughtSignature") {
        let (signature, id) = (Some(signature), Some(id.clone()));
        parts.push(Part::Reasoning(Reasoning { signature, id, ..Reasoning::default() }));
    }
    parts.push(Part::ToolCall(ToolCall { id, name, arguments: call.get("args").unwrap_or("{}").to_owned() }));
    Ok(())
}

fn result(part: &Fields<'_>, path: &str, calls: &mut Calls, losses: &mut Losses) -> Result<ToolResult, ConvertError> {
    let path = format!("{path}.functionResponse");
    let result = part.object("functionResponse").ok_or_else(|| malformed(&path, "an object is required"))?;
    let name = result.string("name").ok_or_else(|| malformed(&format!("{path}.name"), "a string is required"))?;
    let id = calls.result(result.string("id").filter(|id| !id.is_empty()), &name);
    let id = id.ok_or_else(|| malformed(&path, "no open function call has this name"))?;
    if result.names().any(|name| matches!(name, "willContinue" | "scheduling")) {
        losses.drop("non_blocking_tool");
    }
    let (said, is_error) = result.get("response").map_or((None, false), said);
    let mut content: Vec<Part> = said.map(Part::text).into_iter().collect();
    for (i, piece) in result.list("parts").unwrap_or_default().into_iter().enumerate() {
        let path = format!("{path}.parts[{i}]");
        let piece = Fields::of(piece).ok_or_else(|| malformed(&path, "an object is required"))?;
        match piece.get("fileData") {
            Some(_) => content.extend(file_data(&piece, &path, losses)?),
            None => content.push(inline_data(&piece, &path)?),
        }
    }
    Ok(ToolResult { id, name: Some(name), content, is_error })
}

/// What a tool said, and whether it is an error: the vendor documents `output` and `error` as the members to use; of any
/// other object the whole is the output.
fn said(response: &str) -> (Option<Cow<'_, str>>, bool) {
    let whole = (Some(Cow::Borrowed(response)), false);
    let Some(fields) = Fields::of(response) else { return whole };
    let names: Vec<&str> = fields.names().collect();
    match names.as_slice() {
        [name @ ("output" | "error")] => {
            (fields.get(name).map(|value| text(value).unwrap_or(Cow::Borrowed(value))), *name == "error")
        }
        [] => (None, false),
        _ => whole,
    }
}

/// Media of a type as the part that the form has for it.
pub(super) fn media(media_type: &str, media: Media) -> Part {
    match media_type.split('/').next() {
        Some("image") => Part::Image(media),
        Some("audio") => Part::Audio(media),
        Some("video") => Part::Video(media),
        _ => Part::Document(media),
    }
}

fn inline_data(part: &Fields<'_>, path: &str) -> Result<Part, ConvertError> {
    let path = format!("{path}.inlineData");
    let data = part.object("inlineData").ok_or_else(|| malformed(&path, "an object is required"))?;
    let (Some(media_type), Some(base64)) = (data.string("mimeType"), data.string("data")) else {
        return Err(malformed(&path, "mimeType and data are required"));
    };
    let source = Source::Base64 { media_type: media_type.clone(), data: standard_base64(base64) };
    Ok(media(&media_type, Media { name: data.string("displayName"), ..Media::of(source) }))
}

/// The vendor takes both alphabets, and base64 without padding; the form has the standard one with padding.
fn standard_base64(data: String) -> String {
    if data.len().is_multiple_of(4) && !data.contains(['-', '_']) {
        return data;
    }
    let mut data = data.replace('-', "+").replace('_', "/");
    while !data.len().is_multiple_of(4) {
        data.push('=');
    }
    data
}

/// A file of the vendor's own store can be read by its account only; any other address is passed on.
fn file_data(part: &Fields<'_>, path: &str, losses: &mut Losses) -> Result<Option<Part>, ConvertError> {
    let path = format!("{path}.fileData");
    let file = part.object("fileData").ok_or_else(|| malformed(&path, "an object is required"))?;
    let url = file.string("fileUri").ok_or_else(|| malformed(&format!("{path}.fileUri"), "a string is required"))?;
    let public = url.starts_with("https://") || url.starts_with("http://");
    if !public || url.contains("generativelanguage.googleapis.com") {
        losses.refuse(
            "vendor_file",
            format!("{path}.fileUri"),
            "a file of the vendor's own store cannot be passed on",
        )?;
        return Ok(None);
    }
    let media_type = file.string("mimeType").filter(|media_type| !media_type.is_empty());
    let kind = media_type.clone().unwrap_or_else(|| if is_film(&url) { "video/*".to_owned() } else { String::new() });
    let source = Source::Url { url, media_type };
    Ok(Some(media(&kind, Media { name: file.string("displayName"), ..Media::of(source) })))
}

/// The one kind of address that the vendor takes without a media type.
fn is_film(url: &str) -> bool {
    ["https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/"].iter().any(|host| url.starts_with(host))
}
