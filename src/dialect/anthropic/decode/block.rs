//! Content blocks of a request as parts of the form.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::object::{Object, malformed, value};
use super::source::source;
use crate::dialect::convert::ConvertError;
use crate::dialect::form::{Losses, Media, Part, Reasoning, ToolCall, ToolResult};

/// Claude Code's attribution of a request to its client version: says nothing to another vendor's model.
const ATTRIBUTION: &str = "x-anthropic-billing-header:";

const SERVER_TOOL: &str = "tools that run at the vendor cannot be translated";

/// Reads blocks in the order of the conversation.
pub(super) struct Blocks<'l> {
    pub(super) losses: &'l mut Losses,
    /// Tool of every call so far, by id: a result does not name its tool.
    names: HashMap<String, String>,
}

impl<'l> Blocks<'l> {
    pub(super) fn new(losses: &'l mut Losses) -> Self {
        Self { losses, names: HashMap::new() }
    }

    /// The leading instructions: a string or text blocks.
    pub(super) fn system(&mut self, raw: &RawValue) -> Result<Vec<Part>, ConvertError> {
        let mut parts = self.content(raw, "system")?;
        let before = parts.len();
        parts.retain(|part| !matches!(part, Part::Text { text, .. } if text.starts_with(ATTRIBUTION)));
        if parts.len() < before {
            self.losses.drop("attribution");
        }
        Ok(parts)
    }

    /// Content at `path`: a string, or a list of blocks.
    pub(super) fn content(&mut self, raw: &RawValue, path: &str) -> Result<Vec<Part>, ConvertError> {
        if raw.get().starts_with('"') {
            let text: String = value(raw, path)?;
            return Ok(if text.is_empty() { Vec::new() } else { vec![Part::text(text)] });
        }
        let blocks: Vec<&RawValue> = serde_json::from_str(raw.get())
            .map_err(|_| malformed(path, "must be a string or a list of content blocks"))?;
        let mut parts = Vec::with_capacity(blocks.len());
        for (at, raw) in blocks.into_iter().enumerate() {
            parts.extend(self.block(Object::read(raw.get(), format!("{path}[{at}]"))?)?);
        }
        Ok(parts)
    }

    fn block(&mut self, mut block: Object<'_>) -> Result<Option<Part>, ConvertError> {
        let kind: String = block.need("type")?;
        let part = match kind.as_str() {
            "text" => return self.text(block).map(Some),
            "image" => source(&mut block, self.losses)?.map(|source| Part::Image(Media::of(source))),
            "document" => self.document(&mut block)?,
            "tool_use" => Some(Part::ToolCall(self.tool_call(&mut block)?)),
            "tool_result" => Some(Part::ToolResult(self.tool_result(&mut block)?)),
            "thinking" => Some(Part::Reasoning(Reasoning {
                text: block.take("thinking")?.unwrap_or_default(),
                signature: block.take("signature")?.filter(|signature: &String| !signature.is_empty()),
                ..Reasoning::default()
            })),
            "redacted_thinking" => {
                Some(Part::Reasoning(Reasoning { sealed: Some(block.need("data")?), ..Reasoning::default() }))
            }
            _ => return self.foreign(&kind, block),
        };
        block.lose("cache_control", "cache_control", self.losses);
        block.end(self.losses);
        Ok(part)
    }

    fn text(&mut self, mut block: Object<'_>) -> Result<Part, ConvertError> {
        let part = Part::Text { text: block.need("text")?, cache: block.take("cache_control")? };
        block.lose("citations", "citations", self.losses);
        block.end(self.losses);
        Ok(part)
    }

    fn document(&mut self, block: &mut Object<'_>) -> Result<Option<Part>, ConvertError> {
        let (name, context) = (block.take("title")?, block.take("context")?);
        block.lose("citations", "citations", self.losses);
        let source = source(block, self.losses)?;
        Ok(source.map(|source| Part::Document(Media { source, name, context, detail: None })))
    }

    fn tool_call(&mut self, block: &mut Object<'_>) -> Result<ToolCall, ConvertError> {
        let (id, name): (String, String) = (block.need("id")?, block.need("name")?);
        let arguments = block.raw("input").map_or("{}", RawValue::get).to_owned();
        // Who called the tool matters only to tools that run at the vendor.
        block.raw("caller");
        self.names.insert(id.clone(), name.clone());
        Ok(ToolCall { id, name, arguments })
    }

    fn tool_result(&mut self, block: &mut Object<'_>) -> Result<ToolResult, ConvertError> {
        let id: String = block.need("tool_use_id")?;
        let path = block.at("content");
        let content = block.raw("content").map(|raw| self.content(raw, &path)).transpose()?.unwrap_or_default();
        let nested = content.iter().any(|part| matches!(part, Part::ToolCall(_) | Part::ToolResult(_)));
        if nested {
            return Err(malformed(&path, "must not hold tool blocks"));
        }
        let name = self.names.get(&id).cloned();
        Ok(ToolResult { name, id, content, is_error: block.take("is_error")?.unwrap_or(false) })
    }

    /// Blocks that no other dialect knows.
    fn foreign(&mut self, kind: &str, mut block: Object<'_>) -> Result<Option<Part>, ConvertError> {
        match kind {
            // The answer of a tool that finds tools: all tools are given to the other model from the start, so the name says it.
            "tool_reference" => {
                self.losses.drop("tool_reference");
                return Ok(block.take::<String>("tool_name")?.map(Part::text));
            }
            "fallback" => self.losses.drop("fallback"),
            "search_result" => {
                self.losses.refuse("search_result", block.path(), "search results cannot be translated")?;
            }
            "compaction" => self.losses.refuse("compaction", block.path(), "compactions cannot be translated")?,
            "container_upload" => {
                self.losses.refuse("file_id", block.path(), "file ids of a vendor cannot be translated")?;
            }
            _ if kind.ends_with("_tool_use") || kind.ends_with("_tool_result") => {
                self.losses.refuse("server_tool", block.path(), SERVER_TOOL)?;
            }
            _ => self.losses.refuse("unknown_block", block.path(), "this kind of content cannot be translated")?,
        }
        Ok(None)
    }
}
