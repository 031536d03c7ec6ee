//! A request as the form.

use crate::dialect::convert::{ConvertError, Outside};
use crate::dialect::form::{Losses, Part, Request};
use crate::dialect::gemini::fields::Fields;
use crate::dialect::peek::text;

use super::{contents, generation, tools};

/// Reads a request's body.
///
/// # Errors
/// When it is no request, or asks for something that has no counterpart.
pub fn request(body: &[u8], outside: Outside<'_>, losses: &mut Losses) -> Result<Request, ConvertError> {
    let body = std::str::from_utf8(body).ok().and_then(Fields::of);
    let body = body.ok_or_else(|| ConvertError::Malformed("the request body is not a JSON object".to_owned()))?;
    let mut request = Request { model: outside.model.to_owned(), stream: outside.stream, ..Request::default() };
    top_level(&body, losses)?;
    request.system = system(&body)?;
    let contents = body.list("contents").ok_or_else(|| malformed("contents", "a list is required"))?;
    request.turns = contents::turns(&contents, losses)?;
    tools::read(&body, &mut request, losses)?;
    request.service_tier = body.string("serviceTier").as_deref().and_then(service_tier).map(str::to_owned);
    if let Some(config) = body.object("generationConfig") {
        generation::read(&config, &mut request, losses)?;
    }
    Ok(request)
}

/// A body that is no request, with the place.
pub(super) fn malformed(path: &str, what: &str) -> ConvertError {
    ConvertError::Malformed(format!("{path}: {what}"))
}

fn top_level(body: &Fields<'_>, losses: &mut Losses) -> Result<(), ConvertError> {
    for name in body.names() {
        match name {
            "contents" | "systemInstruction" | "tools" | "toolConfig" | "generationConfig" | "serviceTier"
            // The model stands in the path; a session id only says where the request goes.
            | "model" | "sessionId" => {}
            "cachedContent" => {
                losses.refuse("cached_content", name, "a cached content belongs to the account that made it")?;
            }
            "safetySettings" => losses.drop("safety_settings"),
            "labels" => losses.drop("labels"),
            "store" => losses.drop("store"),
            _ => losses.drop("unknown_field"),
        }
    }
    Ok(())
}

/// The instructions: a content, whose role means nothing, or a plain string.
fn system(body: &Fields<'_>) -> Result<Vec<Part>, ConvertError> {
    const PATH: &str = "systemInstruction";
    let Some(value) = body.get(PATH) else { return Ok(Vec::new()) };
    if let Some(text) = text(value) {
        return Ok(vec![Part::text(text)]);
    }
    let parts = Fields::of(value).and_then(|content| content.list("parts")).unwrap_or_default();
    let texts = parts.into_iter().enumerate().map(|(i, part)| {
        let text = Fields::of(part).and_then(|part| part.string("text"));
        text.map(Part::text).ok_or_else(|| malformed(&format!("{PATH}.parts[{i}]"), "only text can be an instruction"))
    });
    texts.collect()
}

/// The tier by its OpenAI name.
fn service_tier(name: &str) -> Option<&'static str> {
    match name.to_ascii_lowercase().as_str() {
        "flex" => Some("flex"),
        "priority" => Some("priority"),
        "standard" => Some("default"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
