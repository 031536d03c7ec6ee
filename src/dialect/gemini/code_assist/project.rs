//! The edit `codeassist.project` (`upstreams.md` §1.3): a client of the envelope names its own project, the account has
//! another. Everything else stays byte for byte.

use std::ops::Range;

use crate::dialect::peek::text;
use crate::dialect::spans::{Member, cuts, members, range_in, without};

use super::{differs, literal};

/// The members that name a project.
const NAMES: [&str; 2] = ["project", "cloudaicompanionProject"];

/// The body with the account's project in the place of the client's; without any for an account that has none. `None` when
/// nothing is to be changed: the client names no project, or the account's.
pub fn set_project(body: &[u8], project: Option<&str>) -> Option<Vec<u8>> {
    let body = std::str::from_utf8(body).ok()?;
    let members = members(body)?;
    match project {
        Some(project) => replace(body, &members, project),
        None => remove(body, &members),
    }
}

fn names_project(member: &Member<'_>) -> bool {
    text(member.name).is_some_and(|name| NAMES.contains(&name.as_ref()))
}

fn replace(body: &str, members: &[Member<'_>], project: &str) -> Option<Vec<u8>> {
    let foreign = members.iter().filter(|member| names_project(member) && differs(member.value, project));
    let places: Vec<Range<usize>> = foreign.map(|member| range_in(body, member.value)).collect();
    if places.is_empty() {
        return None;
    }
    let literal = literal(project);
    let mut out = body.to_owned();
    places.into_iter().rev().for_each(|place| out.replace_range(place, &literal));
    Some(out.into_bytes())
}

fn remove(body: &str, members: &[Member<'_>]) -> Option<Vec<u8>> {
    let keep: Vec<bool> = members.iter().map(|member| !names_project(member)).collect();
    if keep.iter().all(|keep| *keep) {
        return None;
    }
    let places: Vec<Range<usize>> =
        members.iter().map(|member| range_in(body, member.name).start..range_in(body, member.value).end).collect();
    Some(without(body, cuts(&places, &keep)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(body: &str, project: Option<&str>) -> Option<String> {
        set_project(body.as_bytes(), project).map(|out| String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_accounts_project_takes_the_place() {
        let body = r#"{ "project" : "mine", "request":{"project":"x", "n":1.10}, "cloudaicompanionProject":null }"#;
        let expected =
            r#"{ "project" : "p\"1", "request":{"project":"x", "n":1.10}, "cloudaicompanionProject":"p\"1" }"#;
        assert_eq!(set(body, Some("p\"1")).as_deref(), Some(expected));
        assert_eq!(set(expected, Some("p\"1")), None);
        assert_eq!(set(r#"{"request":{}}"#, Some("p")), None);
        assert_eq!(set("[]", Some("p")), None);
    }

    #[test]
    fn an_account_without_a_project_sends_none() {
        let body = r#"{"model":"m", "project":"mine", "request":{}}"#;
        assert_eq!(set(body, None).as_deref(), Some(r#"{"model":"m", "request":{}}"#));
        assert_eq!(set(r#"{"project":"mine"}"#, None).as_deref(), Some("{}"));
        assert_eq!(set(r#"{"model":"m"}"#, None), None);
    }
}
