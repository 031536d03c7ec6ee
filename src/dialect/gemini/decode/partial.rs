//! Puts a tool call together whose arguments come in fragments (`partialArgs`), each with the JSON path of its place.

use serde_json::{Map, Value};

use crate::dialect::gemini::chunk::{FunctionCall, PartialArg};

/// Deepest place that a fragment may name.
const MAX_DEPTH: usize = 64;

/// A call that is not complete yet.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) id: String,
    pub(super) name: String,
    args: Value,
}

impl Partial {
    /// A call of this tool without arguments.
    pub(super) fn new(id: String, name: String) -> Self {
        Self { id, name, args: Value::Object(Map::new()) }
    }

    /// Takes the arguments of one fragment.
    pub(super) fn apply(&mut self, call: &FunctionCall<'_>) {
        if let Some(whole) = call.args.and_then(|args| serde_json::from_str(args.get()).ok()) {
            self.args = whole;
        }
        for fragment in call.partial_args.as_deref().unwrap_or_default() {
            self.apply_fragment(fragment);
        }
    }

    /// The arguments as JSON text.
    pub(super) fn arguments(&self) -> String {
        self.args.to_string()
    }

    /// A fragment whose place cannot be is left out.
    fn apply_fragment(&mut self, fragment: &PartialArg<'_>) {
        let Some(path) = fragment.path() else { return };
        let Some(place) = steps(&path).and_then(|steps| place(&mut self.args, &steps)) else { return };
        match (fragment.text(), place) {
            (Some(more), Value::String(text)) => text.push_str(&more),
            (Some(text), place) => *place = Value::String(text.into_owned()),
            (None, place) => *place = fragment.value(),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    Member(&'a str),
    Element(usize),
}

/// The steps of a path like `$.a.b[0]['c d']`; `None` when it is of another form.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, tail) = step(rest)?;
        steps.push(step);
        rest = tail;
        if steps.len() > MAX_DEPTH {
            return None;
        }
    }
    Some(steps)
}

fn step(rest: &str) -> Option<(Step<'_>, &str)> {
    if let Some(name) = rest.strip_prefix('.') {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (name, tail) = name.split_at_checked(end)?;
        return Some((Step::Member(name), tail));
    }
    let inner = rest.strip_prefix('[')?;
    for quote in ['\'', '"'] {
        if let Some(name) = inner.strip_prefix(quote) {
            let (name, tail) = name.split_once(quote)?;
            return Some((Step::Member(name), tail.strip_prefix(']')?));
        }
    }
    let (index, tail) = inner.split_once(']')?;
    Some((Step::Element(index.parse().ok()?), tail))
}

/// The value at a place, made when it is new; lists grow by one element at a time.
fn place<'v>(root: &'v mut Value, steps: &[Step<'_>]) -> Option<&'v mut Value> {
    steps.iter().try_fold(root, |at, step| match step {
        Step::Member(name) => {
            if at.is_null() {
                *at = Value::Object(Map::new());
            }
            Some(at.as_object_mut()?.entry(*name).or_insert(Value::Null))
        }
        Step::Element(index) => {
            if at.is_null() {
                *at = Value::Array(Vec::new());
            }
            let list = at.as_array_mut()?;
            if *index == list.len() {
                list.push(Value::Null);
            }
            list.get_mut(*index)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(fragments: &[&str]) -> String {
        let mut call = Partial::new("id".to_owned(), "f".to_owned());
        for fragment in fragments {
            let json = format!(r#"{{"partialArgs":[{fragment}]}}"#);
            call.apply(&serde_json::from_str(&json).unwrap());
        }
        call.arguments()
    }

    #[test]
    fn fragments_find_their_places() {
        let args = built(&[
            r#"{"jsonPath":"$.city","stringValue":"Bos","willContinue":true}"#,
            r#"{"jsonPath":"$.city","stringValue":"ton"}"#,
            r#"{"jsonPath":"$.days[0].n","numberValue":3},{"jsonPath":"$.days[1]","boolValue":true}"#,
            r#"{"jsonPath":"$['a b'].c","nullValue":"NULL_VALUE"}"#,
        ]);
        assert_eq!(args, r#"{"city":"Boston","days":[{"n":3},true],"a b":{"c":null}}"#);
    }

    #[test]
    fn impossible_places_are_left_out() {
        let odd = [
            r#"{"jsonPath":"$.a[7]","numberValue":1}"#,
            r#"{"jsonPath":"city","stringValue":"x"}"#,
            r#"{"jsonPath":"$.b[x]","stringValue":"x"}"#,
            r#"{"stringValue":"x"}"#,
        ];
        assert_eq!(built(&odd), r#"{"a":[]}"#);
    }
}
