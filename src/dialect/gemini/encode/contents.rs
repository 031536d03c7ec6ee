//! The turns of a conversation as contents.

use std::collections::HashMap;

use crate::dialect::form::{Losses, Media, Part, Reasoning, Request, Role, Source, ToolResult, Unsupported};
use crate::dialect::gemini::wire::{self, Content, FileData, FunctionResponse, ToolOutput};

use super::thinking::wants_signatures;

/// What the vendor documents for tool calls that another model made, or whose signature is lost: Gemini 3 refuses a
/// history whose calls have none.
const FOREIGN_CALL: &str = "skip_thought_signature_validator";

/// The conversation; turns of one role that follow each other become one content, as the vendor wants all results of one
/// content's calls in one content.
pub(super) fn contents<'a>(request: &'a Request, losses: &mut Losses) -> Result<Vec<Content<'a>>, Unsupported> {
    let mut writer = Writer { names: names(request), sign: wants_signatures(&request.model), losses };
    let mut contents: Vec<Content<'a>> = Vec::new();
    for (i, turn) in request.turns.iter().enumerate() {
        let parts = writer.turn(&turn.parts, &format!("turns[{i}]"))?;
        if parts.is_empty() {
            continue;
        }
        if turn.role == Role::System {
            writer.losses.drop("system_in_conversation");
        }
        let role = Some(if turn.role == Role::Assistant { "model" } else { "user" });
        match contents.last_mut() {
            Some(last) if last.role == role => last.parts.extend(parts),
            _ => contents.push(Content { role, parts }),
        }
    }
    // Results stand side by side before what else is said, media in them included. The sort keeps the order otherwise.
    contents.iter_mut().for_each(|content| content.parts.sort_by_key(|part| part.function_response.is_none()));
    if writer.sign {
        contents.iter_mut().for_each(sign_first_call);
    }
    Ok(contents)
}

/// The tools of the calls by id: a result may not say its tool.
fn names(request: &Request) -> HashMap<&str, &str> {
    let parts = request.turns.iter().flat_map(|turn| &turn.parts);
    let calls = parts.filter_map(|part| match part {
        Part::ToolCall(call) => Some((call.id.as_str(), call.name.as_str())),
        _ => None,
    });
    calls.collect()
}

/// Of calls made together, the vendor signs the first.
fn sign_first_call(content: &mut Content<'_>) {
    if let Some(first) = content.parts.iter_mut().find(|part| part.function_call.is_some()) {
        first.thought_signature.get_or_insert(FOREIGN_CALL);
    }
}

struct Writer<'a, 'l> {
    names: HashMap<&'a str, &'a str>,
    sign: bool,
    losses: &'l mut Losses,
}

impl<'a> Writer<'a, '_> {
    fn turn(&mut self, parts: &'a [Part], path: &str) -> Result<Vec<wire::Part<'a>>, Unsupported> {
        let mut out = Vec::with_capacity(parts.len());
        let mut signature = None;
        for (i, part) in parts.iter().enumerate() {
            let path = format!("{path}.parts[{i}]");
            match part {
                Part::Text { text, cache } => {
                    if cache.is_some() {
                        self.losses.drop("cache_control");
                    }
                    self.text(text, &mut out);
                }
                Part::Refusal(text) => self.text(text, &mut out),
                Part::Image(m) | Part::Document(m) | Part::Audio(m) | Part::Video(m) => out.push(self.media(m)),
                Part::ToolCall(call) => {
                    let mut part = wire::Part::call(&call.id, &call.name, &call.arguments);
                    part.thought_signature =
                        signature.take().filter(|(id, _)| *id == call.id).map(|(_, text): (&str, &str)| text);
                    out.push(part);
                }
                Part::ToolResult(result) => {
                    out.push(self.result(result, &path)?);
                    out.extend(self.result_media(result));
                }
                Part::Reasoning(thought) => signature = self.reasoning(thought),
            }
        }
        Ok(out)
    }

    /// The vendor refuses empty text.
    fn text(&self, text: &'a str, out: &mut Vec<wire::Part<'a>>) {
        if !text.is_empty() {
            out.push(wire::Part::text(text));
        }
    }

    /// Thoughts stay with the vendor that made them, except a signature that is kept under the id of its call.
    fn reasoning(&mut self, thought: &'a Reasoning) -> Option<(&'a str, &'a str)> {
        let signature = thought.id.as_deref().zip(thought.signature.as_deref());
        if signature.is_none_or(|(id, _)| !self.names.contains_key(id)) {
            self.losses.drop("reasoning");
        }
        signature
    }

    fn media(&mut self, media: &'a Media) -> wire::Part<'a> {
        if media.detail.is_some() {
            self.losses.drop("image_detail");
        }
        if media.name.is_some() || media.context.is_some() {
            self.losses.drop("media_name");
        }
        match &media.source {
            Source::Base64 { media_type, data } => wire::Part::inline(media_type, data),
            Source::Text(text) => wire::Part::text(text),
            Source::Url { url, media_type } => {
                let file = FileData { mime_type: media_type.as_deref(), file_uri: url };
                wire::Part { file_data: Some(file), ..wire::Part::default() }
            }
        }
    }

    fn result(&mut self, result: &'a ToolResult, path: &str) -> Result<wire::Part<'a>, Unsupported> {
        let name = match result.name.as_deref().or_else(|| self.names.get(result.id.as_str()).copied()) {
            Some(name) => name,
            None => {
                self.losses.refuse("tool_name", path, "no tool call with this id comes before")?;
                &result.id
            }
        };
        let texts: Vec<&str> = result.content.iter().filter_map(text_of).collect();
        let text = texts.join("\n");
        let response = if result.is_error { ToolOutput::Error(text) } else { ToolOutput::Output(text) };
        let response = FunctionResponse { id: &result.id, name, response };
        Ok(wire::Part { function_response: Some(response), ..wire::Part::default() })
    }

    fn result_media(&mut self, result: &'a ToolResult) -> Vec<wire::Part<'a>> {
        let media = result.content.iter().filter_map(|part| match part {
            Part::Image(m) | Part::Document(m) | Part::Audio(m) | Part::Video(m) => Some(m),
            _ => None,
        });
        media.map(|media| self.media(media)).collect()
    }
}

fn text_of(part: &Part) -> Option<&str> {
    match part {
        Part::Text { text, .. } | Part::Refusal(text) => Some(text),
        _ => None,
    }
}
