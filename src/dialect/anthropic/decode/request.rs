//! A request as the form.

use serde_json::value::RawValue;

use super::block::Blocks;
use super::object::{Object, malformed};
use super::{control, tool, turn};
use crate::dialect::convert::{ConvertError, Outside};
use crate::dialect::form::{Losses, ReasoningControl, Request, Sampling};

/// Fields that only steer the vendor's own machinery; the request means the same without them.
const HINTS: [(&str, &str); 8] = [
    ("context_management", "context_management"),
    ("betas", "betas"),
    ("anthropic_beta", "betas"),
    ("anthropic_version", "anthropic_version"),
    ("cache_control", "cache_control"),
    ("speed", "speed"),
    ("fallbacks", "fallbacks"),
    ("diagnostics", "diagnostics"),
];

/// Fields that ask for something that only this vendor has.
const DEMANDS: [(&str, &str, &str); 3] = [
    ("mcp_servers", "mcp_servers", "tools that run at the vendor cannot be translated"),
    ("container", "container", "containers of the vendor cannot be translated"),
    ("inference_geo", "inference_geo", "the region of inference cannot be translated"),
];

/// Reads a request's body.
///
/// # Errors
/// When it is no request, or asks for something that has no counterpart.
pub fn request(body: &[u8], outside: Outside<'_>, losses: &mut Losses) -> Result<Request, ConvertError> {
    let body = std::str::from_utf8(body).map_err(|_| malformed("", "the body is not valid UTF-8"))?;
    let mut fields = Object::read(body, "")?;
    fields.raw("model");
    fields.raw("stream");
    let mut request = Request { model: outside.model.to_owned(), stream: outside.stream, ..Request::default() };
    read_conversation(&mut fields, &mut request, losses)?;
    read_tools(&mut fields, &mut request, losses)?;
    read_limits(&mut fields, &mut request)?;
    read_control(&mut fields, &mut request, losses)?;
    read_caller(&mut fields, &mut request, losses)?;
    for (name, word) in HINTS {
        fields.lose(name, word, losses);
    }
    for (name, word, what) in DEMANDS {
        if fields.raw(name).is_some_and(|raw| raw.get() != "[]") {
            losses.refuse(word, name, what)?;
        }
    }
    fields.end(losses);
    Ok(request)
}

fn read_conversation(fields: &mut Object<'_>, request: &mut Request, losses: &mut Losses) -> Result<(), ConvertError> {
    let mut blocks = Blocks::new(losses);
    if let Some(system) = fields.raw("system") {
        request.system = blocks.system(system)?;
    }
    let messages: Vec<&RawValue> = fields.need("messages")?;
    request.turns = turn::turns(messages, &mut blocks)?;
    Ok(())
}

fn read_tools(fields: &mut Object<'_>, request: &mut Request, losses: &mut Losses) -> Result<(), ConvertError> {
    if let Some(tools) = fields.take("tools")? {
        request.tools = tool::tools(tools, losses)?;
    }
    match fields.object("tool_choice")? {
        Some(choice) => tool::choice(choice, request, losses),
        None => Ok(()),
    }
}

fn read_limits(fields: &mut Object<'_>, request: &mut Request) -> Result<(), ConvertError> {
    request.max_output = fields.take("max_tokens")?;
    request.stop = fields.take("stop_sequences")?.unwrap_or_default();
    request.sampling = Sampling {
        temperature: fields.take("temperature")?,
        top_p: fields.take("top_p")?,
        top_k: fields.take("top_k")?,
        ..Sampling::default()
    };
    Ok(())
}

fn read_control(fields: &mut Object<'_>, request: &mut Request, losses: &mut Losses) -> Result<(), ConvertError> {
    let mut control = ReasoningControl::default();
    if let Some(thinking) = fields.object("thinking")? {
        control::thinking(thinking, &mut control, losses)?;
    }
    if let Some(config) = fields.object("output_config")? {
        request.output = control::output_config(config, &mut control, losses)?;
    }
    // The name that the format had while it was a beta.
    if let Some(format) = fields.object("output_format")? {
        request.output = control::output_format(format, losses)?;
    }
    request.reasoning = (control != ReasoningControl::default()).then_some(control);
    Ok(())
}

fn read_caller(fields: &mut Object<'_>, request: &mut Request, losses: &mut Losses) -> Result<(), ConvertError> {
    if let Some(mut metadata) = fields.object("metadata")? {
        request.user = metadata.take("user_id")?;
        metadata.end(losses);
    }
    request.service_tier = fields.take::<String>("service_tier")?.map(|tier| match tier.as_str() {
        "standard_only" => "default".to_owned(),
        _ => tier,
    });
    Ok(())
}
