//! OpenAI's embeddings (`/v1/embeddings`) on Gemini's `batchEmbedContents`: the one translation between endpoints that
//! embed. The other families pass theirs through.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::convert::ConvertError;
use super::form::Losses;

/// What of a client's request its answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Numbers as base64 of little-endian 32-bit floats.
    pub base64: bool,
    /// Texts to embed; the answer has one embedding for each.
    pub texts: usize,
}

#[derive(Deserialize)]
struct Client {
    #[serde(default)]
    input: Value,
    #[serde(default)]
    dimensions: Option<u64>,
    #[serde(default)]
    encoding_format: Option<String>,
    #[serde(default)]
    user: Option<Value>,
}

#[derive(Serialize)]
struct Batch<'a> {
    requests: Vec<Request<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    model: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: [Part<'a>; 1],
}

#[derive(Serialize)]
struct Part<'a> {
    text: &'a str,
}

/// A client's request as the body of `models/{model}:batchEmbedContents`.
///
/// # Errors
/// When the body is no request, or its input is token numbers, which mean nothing to another vendor's tokeniser.
pub fn to_gemini(body: &[u8], model: &str, losses: &mut Losses) -> Result<(Vec<u8>, Asked), ConvertError> {
    let malformed = |what: &str| ConvertError::Malformed(what.to_owned());
    let client: Client =
        serde_json::from_slice(body).map_err(|_| malformed("the request body is no embeddings request"))?;
    let texts = texts(&client.input)?;
    let base64 = match client.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(malformed("encoding_format: must be float or base64")),
    };
    if client.user.is_some() {
        losses.drop("user");
    }
    let name = if model.starts_with("models/") { model.to_owned() } else { format!("models/{model}") };
    let requests = texts.iter().map(|text| Request {
        model: &name,
        content: Content { parts: [Part { text }] },
        output_dimensionality: client.dimensions,
    });
    let batch = Batch { requests: requests.collect() };
    // Strings and numbers always serialise.
    Ok((serde_json::to_vec(&batch).unwrap_or_default(), Asked { base64, texts: texts.len() }))
}

fn texts(input: &Value) -> Result<Vec<&str>, ConvertError> {
    let malformed = || ConvertError::Malformed("input: a string or a list of strings is required".to_owned());
    let list = match input {
        Value::String(text) => return Ok(vec![text]),
        Value::Array(list) if !list.is_empty() => list,
        _ => return Err(malformed()),
    };
    if list.iter().all(|item| item.is_number() || item.is_array()) {
        let what = "token numbers mean nothing to this account's vendor";
        return Err(super::form::Unsupported { path: "input".to_owned(), what }.into());
    }
    list.iter().map(|item| item.as_str().ok_or_else(malformed)).collect()
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    embeddings: Vec<Embedding<'a>>,
    #[serde(borrow)]
    embedding: Option<Embedding<'a>>,
}

#[derive(Deserialize)]
struct Embedding<'a> {
    #[serde(borrow)]
    values: &'a RawValue,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Item<'a>>,
    model: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
struct Item<'a> {
    object: &'static str,
    index: usize,
    embedding: Numbers<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Numbers<'a> {
    Float(&'a RawValue),
    Base64(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// The vendor's answer as the client's list. `model` is the name that the client wrote, `tokens` what it is charged: the
/// vendor's count, or the estimate when it gave none. Numbers keep their text. `None` when the body is no complete answer.
pub fn from_gemini(body: &[u8], asked: Asked, model: &str, tokens: u64) -> Option<Vec<u8>> {
    let answer: Answer<'_> = serde_json::from_slice(body).ok()?;
    let embeddings: Vec<Embedding<'_>> = answer.embeddings.into_iter().chain(answer.embedding).collect();
    if embeddings.len() != asked.texts {
        return None;
    }
    let items = embeddings.into_iter().enumerate().map(|(index, embedding)| {
        let embedding = numbers(embedding.values, asked.base64)?;
        Some(Item { object: "embedding", index, embedding })
    });
    let data = items.collect::<Option<Vec<_>>>()?;
    let usage = Usage { prompt_tokens: tokens, total_tokens: tokens };
    serde_json::to_vec(&List { object: "list", data, model, usage }).ok()
}

fn numbers(values: &RawValue, base64: bool) -> Option<Numbers<'_>> {
    if !base64 {
        return values.get().starts_with('[').then_some(Numbers::Float(values));
    }
    let floats: Vec<f32> = serde_json::from_str(values.get()).ok()?;
    let bytes: Vec<u8> = floats.into_iter().flat_map(f32::to_le_bytes).collect();
    Some(Numbers::Base64(STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(body: &Value) -> Result<(Value, Asked), ConvertError> {
        let (body, asked) = to_gemini(body.to_string().as_bytes(), "gemini-embedding-001", &mut Losses::new(false))?;
        Ok((serde_json::from_slice(&body).unwrap(), asked))
    }

    #[test]
    fn every_text_is_one_request() {
        let (body, one) = asked(&json!({"model": "m", "input": "hi", "encoding_format": "base64"})).unwrap();
        let request =
            |text: &str| json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": text}]}});
        assert_eq!(body, json!({"requests": [request("hi")]}));
        assert_eq!(one, Asked { base64: true, texts: 1 });
        let (body, two) = asked(&json!({"input": ["a", "b"], "dimensions": 256})).unwrap();
        assert_eq!(body["requests"][1]["content"]["parts"][0]["text"], "b");
        assert_eq!((&body["requests"][0]["outputDimensionality"], two.texts), (&json!(256), 2));
    }

    #[test]
    fn what_cannot_be_embedded() {
        for input in [json!([1, 2]), json!([[1], [2]])] {
            assert!(matches!(asked(&json!({"input": input})), Err(ConvertError::Unsupported(u)) if u.path == "input"));
        }
        for body in
            [json!({}), json!({"input": []}), json!({"input": ["a", 1]}), json!({"input": "a", "encoding_format": "x"})]
        {
            assert!(matches!(asked(&body), Err(ConvertError::Malformed(_))), "{body}");
        }
    }

    #[test]
    fn answers_keep_their_numbers_or_become_base64() {
        let body = br#"{"embeddings":[{"values":[1.50, -2e-3]},{"values":[0]}]}"#;
        let float = from_gemini(body, Asked { base64: false, texts: 2 }, "asked", 7).unwrap();
        let expected = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.50, -2e-3]},{"object":"embedding","index":1,"embedding":[0]}],"model":"asked","usage":{"prompt_tokens":7,"total_tokens":7}}"#;
        assert_eq!(String::from_utf8(float).unwrap(), expected);
        let single = br#"{"embedding":{"values":[1.0, -0.5]}}"#;
        let packed = from_gemini(single, Asked { base64: true, texts: 1 }, "asked", 7).unwrap();
        let packed: Value = serde_json::from_slice(&packed).unwrap();
        // struct.pack("<2f", 1.0, -0.5) in base64.
        assert_eq!(packed["data"][0]["embedding"], "AACAPwAAAL8=");
    }

    #[test]
    fn half_an_answer_is_none() {
        let one = Asked { base64: false, texts: 1 };
        for body in [&b"{}"[..], br#"{"embeddings":[]}"#, br#"{"embeddings":[{"values":1}]}"#, br#"{"error":{}}"#] {
            assert_eq!(from_gemini(body, one, "m", 1), None);
        }
    }
}
