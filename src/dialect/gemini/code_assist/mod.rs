//! The Code Assist envelope (`upstreams.md` §2.5): a request stands in `{model, project, request}`, an answer in
//! `{response, traceId}`. What is inside keeps its bytes.

mod project;
mod stream;

pub use project::set_project;
pub use stream::{Unwrap, Wrap};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::fields::Fields;
use crate::dialect::peek::text;

/// A plain body in the envelope (edit `codeassist.envelope`). Accounts of the free tier have no project.
pub fn wrap(body: &[u8], model: &str, project: Option<&str>, user_prompt_id: Option<&str>) -> Vec<u8> {
    let mut out = format!(r#"{{"model":{}"#, literal(model)).into_bytes();
    for (name, value) in [("project", project), ("user_prompt_id", user_prompt_id)] {
        if let Some(value) = value {
            out.extend_from_slice(format!(r#","{name}":{}"#, literal(value)).as_bytes());
        }
    }
    out.extend_from_slice(br#","request":"#);
    out.extend_from_slice(body.trim_ascii());
    out.push(b'}');
    out
}

/// A plain token count in the envelope, which takes the contents only. They may stand in `generateContentRequest`; `None`
/// when there are none.
pub fn wrap_count(body: &[u8], model: &str) -> Option<Vec<u8>> {
    let fields = Fields::of(std::str::from_utf8(body).ok()?)?;
    let contents = match fields.get("contents") {
        Some(contents) => contents,
        None => fields.object("generateContentRequest")?.get("contents")?,
    };
    let name = if model.starts_with("models/") { model.to_owned() } else { format!("models/{model}") };
    Some(format!(r#"{{"request":{{"model":{},"contents":{contents}}}}}"#, literal(&name)).into_bytes())
}

/// A request in its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped<'a> {
    /// The model without `models/`: from the envelope, for token counts from the request.
    pub model: Option<String>,
    /// The client's project.
    pub project: Option<String>,
    /// The client's id of the prompt.
    pub user_prompt_id: Option<String>,
    /// The plain body. That of a token count may name its model once more, which the plain dialect tolerates.
    pub request: &'a str,
}

/// Opens the envelope of a request; `None` when the body has no `request` object.
pub fn unwrap_request(body: &[u8]) -> Option<Wrapped<'_>> {
    let fields = Fields::of(std::str::from_utf8(body).ok()?)?;
    let request = fields.get("request").filter(|request| request.starts_with('{'))?;
    let model = fields.string("model").or_else(|| Fields::of(request)?.string("model"));
    Some(Wrapped {
        model: model.map(|model| model.strip_prefix("models/").map(str::to_owned).unwrap_or(model)),
        project: fields.string("project"),
        user_prompt_id: fields.string("userPromptId"),
        request,
    })
}

/// The plain token count out of its envelope: the contents alone; `None` when the body has none.
pub fn unwrap_count(body: &[u8]) -> Option<Vec<u8>> {
    let wrapped = unwrap_request(body)?;
    let contents = Fields::of(wrapped.request)?.get("contents")?;
    Some(format!(r#"{{"contents":{contents}}}"#).into_bytes())
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    response: &'a RawValue,
}

/// The plain answer inside of a whole one; `None` when the body is no wrapped answer (errors and token counts never are).
pub fn unwrap(body: &[u8]) -> Option<&[u8]> {
    let answer: Answer<'_> = serde_json::from_slice(body).ok()?;
    Some(answer.response.get().as_bytes()).filter(|inner| inner.starts_with(b"{"))
}

/// A plain whole answer in the envelope.
pub fn wrap_answer(body: &[u8], trace_id: Option<&str>) -> Vec<u8> {
    let mut out = br#"{"response":"#.to_vec();
    out.extend_from_slice(body.trim_ascii());
    if let Some(id) = trace_id {
        out.extend_from_slice(format!(r#","traceId":{}"#, literal(id)).as_bytes());
    }
    out.push(b'}');
    out
}

fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// The text of a JSON string literal that differs from `wanted`, or any other value.
fn differs(value: &str, wanted: &str) -> bool {
    text(value).is_none_or(|text| text != wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"{ "contents":[{"parts":[{"text":"hi"}]}],  "n":1.10}"#;

    #[test]
    fn requests_keep_their_bytes_inside() {
        let wrapped = wrap(PLAIN.as_bytes(), "gemini-2.5-pro", Some("p\"1"), None);
        let expected = format!(r#"{{"model":"gemini-2.5-pro","project":"p\"1","request":{PLAIN}}}"#);
        assert_eq!(String::from_utf8(wrapped.clone()).unwrap(), expected);
        let opened = unwrap_request(&wrapped).unwrap();
        assert_eq!((opened.request, opened.model.as_deref()), (PLAIN, Some("gemini-2.5-pro")));
        assert_eq!((opened.project.as_deref(), opened.user_prompt_id), (Some("p\"1"), None));
        assert!(unwrap_request(br#"{"model":"m"}"#).is_none());
        let bare = wrap(b" {}\n", "m", None, Some("id"));
        assert_eq!(bare, br#"{"model":"m","user_prompt_id":"id","request":{}}"#);
    }

    #[test]
    fn token_counts_have_their_own_form() {
        let expected: &[u8] = br#"{"request":{"model":"models/m","contents":[ 1 ]}}"#;
        for body in [r#"{"contents":[ 1 ],"tools":[]}"#, r#"{"generateContentRequest":{"contents":[ 1 ]}}"#] {
            assert_eq!(wrap_count(body.as_bytes(), "m").unwrap(), expected);
        }
        assert_eq!(wrap_count(b"{}", "m"), None);
        assert_eq!(unwrap_count(expected).unwrap(), br#"{"contents":[ 1 ]}"#);
        assert_eq!(unwrap_request(expected).unwrap().model.as_deref(), Some("m"));
    }

    #[test]
    fn answers_go_in_and_out() {
        let wrapped = wrap_answer(PLAIN.as_bytes(), Some("t"));
        assert_eq!(wrapped, format!(r#"{{"response":{PLAIN},"traceId":"t"}}"#).into_bytes());
        assert_eq!(unwrap(&wrapped), Some(PLAIN.as_bytes()));
        for body in [&b"{}"[..], br#"{"error":{"code":400}}"#, br#"{"totalTokens":3}"#, br#"{"response":1}"#] {
            assert_eq!(unwrap(body), None);
        }
    }
}
