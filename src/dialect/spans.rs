//! Where the parts of a JSON text stand, so that edits can cut and splice bytes instead of writing the body again.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// One member of an object: the texts of its name (with quotes) and of its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

/// The members of an object in order; `None` when the text is no object.
pub(super) fn members(text: &str) -> Option<Vec<Member<'_>>> {
    serde_json::from_str::<Members<'_>>(text).ok().map(|m| m.0)
}

/// The value of a member; of several with the name, the last.
pub(super) fn value_of<'a>(members: &[Member<'a>], name: &str) -> Option<&'a str> {
    let named = |m: &&Member<'_>| m.name.strip_prefix('"').and_then(|n| n.strip_suffix('"')) == Some(name);
    members.iter().rev().find(named).map(|m| m.value)
}

/// The elements of an array; `None` when the text is no array.
pub(super) fn elements(text: &str) -> Option<Vec<&str>> {
    let raw: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(raw.into_iter().map(RawValue::get).collect())
}

/// Where a part of `whole` stands in it.
pub(super) fn range_in(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start + part.len()
}

/// What to cut so that of some items, separated by commas, only those marked in `keep` remain. In order, disjoint.
pub(super) fn cuts(items: &[Range<usize>], keep: &[bool]) -> Vec<Range<usize>> {
    let mut cuts = Vec::new();
    let mut kept_before = false;
    for (i, (item, keep)) in items.iter().zip(keep).enumerate() {
        if *keep {
            kept_before = true;
            continue;
        }
        let previous = i.checked_sub(1).and_then(|p| items.get(p)).filter(|_| kept_before);
        let next = items.get(i + 1).filter(|_| !kept_before);
        cuts.push(previous.map_or(item.start, |p| p.end)..next.map_or(item.end, |n| n.start));
    }
    cuts
}

/// The text without the cuts, which may come in any order but must not overlap.
pub(super) fn without(text: &str, mut cuts: Vec<Range<usize>>) -> Vec<u8> {
    cuts.sort_by_key(|cut| cut.start);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for cut in cuts {
        out.extend_from_slice(text.as_bytes().get(at..cut.start).unwrap_or_default());
        at = cut.end.max(at);
    }
    out.extend_from_slice(text.as_bytes().get(at..).unwrap_or_default());
    out
}

struct Members<'a>(Vec<Member<'a>>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            members.push(Member { name: name.get(), value: value.get() });
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removing_any_subset_leaves_a_valid_list() {
        let text = "[ 10 , 20,30 ,  40]";
        let items: Vec<_> = elements(text).unwrap().into_iter().map(|e| range_in(text, e)).collect();
        for mask in 0_u8..16 {
            let keep: Vec<bool> = (0..4).map(|bit| mask & (1 << bit) != 0).collect();
            let left: Vec<u32> = serde_json::from_slice(&without(text, cuts(&items, &keep))).unwrap();
            let expected: Vec<u32> =
                [10, 20, 30, 40].into_iter().zip(&keep).filter(|(_, k)| **k).map(|(n, _)| n).collect();
            assert_eq!(left, expected, "{mask:04b}");
        }
    }

    #[test]
    fn members_keep_order_and_the_last_of_equal_names_counts() {
        let members = members(r#"{"b": 1, "a":[2], "b":  3.10}"#).unwrap();
        assert_eq!(members.iter().map(|m| m.name).collect::<Vec<_>>(), ["\"b\"", "\"a\"", "\"b\""]);
        assert_eq!(value_of(&members, "b"), Some("3.10"));
        assert_eq!(value_of(&members, "c"), None);
    }
}
