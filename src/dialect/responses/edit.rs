//! The named body edits for codex accounts (`upstreams.md` §1.3, §2.8), done on bytes: everything that is not edited stays as
//! the client wrote it.

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;

use crate::dialect::peek::text;
use crate::dialect::spans::{Member, cuts, elements, members, range_in, value_of, without};

/// Fields that the vendor's plan endpoint answers with an error.
const UNSUPPORTED: [&str; 13] = [
    "max_output_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "user",
    "metadata",
    "truncation",
    "prompt_cache_retention",
    "safety_identifier",
    "stream_options",
    "background",
];

/// A body and the names of the edits that changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The body; shares the given bytes when there was nothing to edit.
    pub body: Bytes,
    /// Names of the edits, in the order in which they were done.
    pub edits: Vec<&'static str>,
}

/// The body of `/responses` as a codex account accepts it. A body that is no object stays as it is: the vendor says why.
pub fn responses(body: &Bytes) -> Edited {
    edited(body, |body| {
        body.remove("codex.drop_unsupported", &UNSUPPORTED);
        body.set("codex.store_false", "store", "false");
        body.set("codex.stream_true", "stream", "true");
        body.give("codex.instructions_empty", "instructions", "\"\"");
        body.wrap_input();
    })
}

/// The body of `/responses/compact`, which knows neither `store` nor streams.
pub fn compact(body: &Bytes) -> Edited {
    edited(body, |body| {
        body.remove("codex.drop_unsupported", &UNSUPPORTED);
        body.remove("codex.drop_store", &["store"]);
        body.give("codex.instructions_empty", "instructions", "\"\"");
        body.wrap_input();
    })
}

/// The body without `reasoning` items in its input (`thinking.strip_foreign`): only the account that made them can read them.
/// `None` when there is none, or nothing else.
pub fn strip_reasoning(body: &[u8]) -> Option<Vec<u8>> {
    memmem::find(body, b"\"reasoning\"")?;
    let body = std::str::from_utf8(body).ok()?;
    let items = elements(value_of(&members(body)?, "input")?)?;
    let is_thought = |item: &&str| {
        members(item).is_some_and(|fields| value_of(&fields, "type").and_then(text).as_deref() == Some("reasoning"))
    };
    let keep: Vec<bool> = items.iter().map(|item| !is_thought(item)).collect();
    if keep.iter().all(|keep| *keep) || !keep.contains(&true) {
        return None;
    }
    let spans: Vec<Range<usize>> = items.iter().map(|item| range_in(body, item)).collect();
    Some(without(body, cuts(&spans, &keep)))
}

fn edited(body: &Bytes, edit: impl FnOnce(&mut Body<'_>)) -> Edited {
    let unchanged = || Edited { body: body.clone(), edits: Vec::new() };
    let Some(mut open) = std::str::from_utf8(body).ok().and_then(Body::read) else { return unchanged() };
    edit(&mut open);
    if open.edits.is_empty() {
        return unchanged();
    }
    let edits = std::mem::take(&mut open.edits);
    Edited { body: Bytes::from(open.write()), edits }
}

/// An object that is being edited: read once, written once.
struct Body<'a> {
    text: &'a str,
    fields: Vec<Member<'a>>,
    /// Which fields stay.
    keep: Vec<bool>,
    /// New text for what stands at a place.
    splices: Vec<(Range<usize>, String)>,
    /// New members.
    added: Vec<String>,
    edits: Vec<&'static str>,
}

impl<'a> Body<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let fields = members(text)?;
        let keep = vec![true; fields.len()];
        Some(Self { text, fields, keep, splices: Vec::new(), added: Vec::new(), edits: Vec::new() })
    }

    /// Removes members.
    fn remove(&mut self, edit: &'static str, names: &[&str]) {
        let mut any = false;
        for (field, keep) in self.fields.iter().zip(&mut self.keep) {
            if names.iter().any(|name| is_named(field, name)) {
                (*keep, any) = (false, true);
            }
        }
        if any {
            self.edits.push(edit);
        }
    }

    /// Makes a member have this value, whatever it was.
    fn set(&mut self, edit: &'static str, name: &str, value: &str) {
        match self.last(name) {
            Some(old) if old == value => {}
            Some(old) => self.splice(edit, old, value.to_owned()),
            None => self.add(edit, name, value),
        }
    }

    /// Gives a member this value when it has none.
    fn give(&mut self, edit: &'static str, name: &str, value: &str) {
        match self.last(name) {
            Some("null") | None => self.set(edit, name, value),
            Some(_) => {}
        }
    }

    /// A text as input becomes one message of the user: the vendor takes a list only here.
    fn wrap_input(&mut self) {
        let Some(input) = self.last("input").filter(|input| input.starts_with('"')) else { return };
        let list =
            format!(r#"[{{"type":"message","role":"user","content":[{{"type":"input_text","text":{input}}}]}}]"#);
        self.splice("codex.input_list", input, list);
    }

    /// The value of a member; of several with the name, the last, which is what vendors read.
    fn last(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().rev().find(|field| is_named(field, name)).map(|field| field.value)
    }

    fn splice(&mut self, edit: &'static str, old: &str, new: String) {
        self.splices.push((range_in(self.text, old), new));
        self.edits.push(edit);
    }

    fn add(&mut self, edit: &'static str, name: &str, value: &str) {
        self.added.push(format!("\"{name}\":{value}"));
        self.edits.push(edit);
    }

    fn write(mut self) -> Vec<u8> {
        let span = |field: &Member<'_>| range_in(self.text, field.name).start..range_in(self.text, field.value).end;
        let spans: Vec<Range<usize>> = self.fields.iter().map(span).collect();
        let last_kept = spans.iter().zip(&self.keep).rev().find(|(_, keep)| **keep).map(|(span, _)| span.end);
        let first = spans.first().map(|span| span.start).or_else(|| self.text.find('{').map(|brace| brace + 1));
        let mut changes = Vec::with_capacity(self.splices.len() + 1);
        if let Some(at) = last_kept.or(first).filter(|_| !self.added.is_empty()) {
            let comma = if last_kept.is_some() { "," } else { "" };
            changes.push((at..at, format!("{comma}{}", self.added.join(","))));
        }
        changes.extend(cuts(&spans, &self.keep).into_iter().map(|cut| (cut, String::new())));
        changes.append(&mut self.splices);
        changes.sort_by_key(|(at, _)| at.start);
        let mut out = Vec::with_capacity(self.text.len() + 256);
        let mut from = 0;
        for (at, new) in changes {
            out.extend_from_slice(self.text.as_bytes().get(from..at.start).unwrap_or_default());
            out.extend_from_slice(new.as_bytes());
            from = at.end;
        }
        out.extend_from_slice(self.text.as_bytes().get(from..).unwrap_or_default());
        out
    }
}

/// True for a member of this name, escapes or not: the vendor reads it so, too.
fn is_named(field: &Member<'_>, name: &str) -> bool {
    text(field.name).is_some_and(|field| field == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(edit: fn(&Bytes) -> Edited, body: &str, expected: &str, edits: &[&str]) {
        let edited = edit(&Bytes::copy_from_slice(body.as_bytes()));
        assert_eq!(edited.body, expected.as_bytes(), "{}", String::from_utf8_lossy(&edited.body));
        assert_eq!(edited.edits, edits);
    }

    #[test]
    fn nothing_to_edit_is_the_same_body() {
        for body in [
            r#"{ "model":"m","input":[ ],"instructions":"x" ,"store":false, "stream":true,"n":1.0 }"#,
            "[]",
            "\"x\"",
            "not json",
        ] {
            let body = Bytes::copy_from_slice(body.as_bytes());
            let edited = responses(&body);
            assert_eq!((edited.body.as_ptr(), edited.edits.len()), (body.as_ptr(), 0));
        }
    }

    #[test]
    fn every_edit_keeps_the_bytes_around_it() {
        check(
            responses,
            r#"{ "temperature":0.5, "model" : "m","store": true ,"input":"say \"hi\"\n", "max_output_tokens":9,"x":1e2}"#,
            r#"{ "model" : "m","store": false ,"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"say \"hi\"\n"}]}],"x":1e2,"stream":true,"instructions":""}"#,
            &[
                "codex.drop_unsupported",
                "codex.store_false",
                "codex.stream_true",
                "codex.instructions_empty",
                "codex.input_list",
            ],
        );
        check(
            responses,
            r#"{"input":[],"stream":true,"store":false,"instructions":null}"#,
            r#"{"input":[],"stream":true,"store":false,"instructions":""}"#,
            &["codex.instructions_empty"],
        );
    }

    #[test]
    fn members_at_the_end_go_before_new_ones_come() {
        check(
            responses,
            r#"{"input":"x","store":false , "user":"u","top_p":1 }"#,
            r#"{"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"x"}]}],"store":false,"stream":true,"instructions":"" }"#,
            &["codex.drop_unsupported", "codex.stream_true", "codex.instructions_empty", "codex.input_list"],
        );
        check(
            responses,
            "{}",
            r#"{"store":false,"stream":true,"instructions":""}"#,
            &["codex.store_false", "codex.stream_true", "codex.instructions_empty"],
        );
    }

    #[test]
    fn compaction_has_no_store_and_no_stream() {
        check(
            compact,
            r#"{"model":"m","input":[],"instructions":"i","store":false}"#,
            r#"{"model":"m","input":[],"instructions":"i"}"#,
            &["codex.drop_store"],
        );
    }

    #[test]
    fn empty_and_awkward_objects() {
        check(
            responses,
            r#"{"user":"u"}"#,
            r#"{"store":false,"stream":true,"instructions":""}"#,
            &["codex.drop_unsupported", "codex.store_false", "codex.stream_true", "codex.instructions_empty"],
        );
        let odd = r#"{"stor\u0065":true,"stream":false,"stream":true,"instructions":"{","input":[]}"#;
        let expected = r#"{"stor\u0065":false,"stream":false,"stream":true,"instructions":"{","input":[]}"#;
        check(responses, odd, expected, &["codex.store_false"]);
    }

    #[test]
    fn foreign_reasoning_goes_and_everything_else_stays_byte_for_byte() {
        let strip = |body: &str| strip_reasoning(body.as_bytes()).map(|out| String::from_utf8(out).unwrap());
        let body = r#"{"model":"m", "reasoning":{"effort":"low"},"input":[ {"role":"user","content":"\"reasoning\""},
  {"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"E"} , {"type":"function_call","call_id":"c","n":1.0},
  {"summary":[], "type" : "reasoning"}],"store":false}"#;
        let expected = r#"{"model":"m", "reasoning":{"effort":"low"},"input":[ {"role":"user","content":"\"reasoning\""} , {"type":"function_call","call_id":"c","n":1.0}],"store":false}"#;
        assert_eq!(strip(body).as_deref(), Some(expected));
        for body in [
            r#"{"input":"reasoning","reasoning":{}}"#,
            r#"{"input":[{"type":"message","content":"\"reasoning\""}]}"#,
            r#"{"input":[{"type":"reasoning","encrypted_content":"E"}]}"#,
            r#"{"reasoning":{"effort":"low"}}"#,
            "[]",
        ] {
            assert_eq!(strip(body), None, "{body}");
        }
    }
}
