//! The model's name where a body repeats what the path says, and the project: changed on bytes, everything else stays.

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The places at which bodies of counts and embeddings name the model.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Named<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    generate_content_request: Option<Inner<'a>>,
    #[serde(borrow)]
    requests: Vec<Inner<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Inner<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
}

/// The body with every model in it called `models/<wanted>`; `None` when it names none, or no other.
pub(in crate::upstream) fn rename_model(body: &[u8], wanted: &str) -> Option<Bytes> {
    let named: Named<'_> = serde_json::from_slice(body).ok()?;
    let inner = named.generate_content_request.iter().chain(&named.requests).map(|inner| inner.model);
    let literal = Value::from(format!("models/{wanted}")).to_string();
    let other = inner.chain([named.model]).flatten().filter(|raw| raw.get() != literal);
    let places: Vec<(&RawValue, &str)> = other.map(|raw| (raw, literal.as_str())).collect();
    (!places.is_empty()).then(|| replaced(body, places))
}

/// The body with other values at these places, which are parts of it.
pub(in crate::upstream) fn replaced(body: &[u8], mut places: Vec<(&RawValue, &str)>) -> Bytes {
    // In the order of the text, which is that of the addresses.
    places.sort_by_key(|(place, _)| place.get().as_ptr().addr());
    let mut out = Vec::with_capacity(body.len() + 64);
    let mut at = 0;
    for (place, value) in places {
        let Range { start, end } = range(body, place);
        out.extend_from_slice(body.get(at..start).unwrap_or_default());
        out.extend_from_slice(value.as_bytes());
        at = end;
    }
    out.extend_from_slice(body.get(at..).unwrap_or_default());
    Bytes::from(out)
}

fn range(body: &[u8], part: &RawValue) -> Range<usize> {
    let start = part.get().as_ptr().addr().saturating_sub(body.as_ptr().addr());
    start..start + part.get().len()
}
