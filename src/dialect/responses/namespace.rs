//! Tools in a namespace. Codex groups tools (its agents, every MCP server) as `{type: "namespace", name, tools}` and expects a
//! call of one back with `namespace` and `name` apart. Other dialects know plain names only, so the two become one name on the
//! way there, and are taken apart on the way back.

/// Stands between namespace and name. Only names that [`join`] made may hold it, or they would be taken apart by mistake.
pub const SEPARATOR: &str = "__ns__";

/// Longest tool name that all dialects take, in bytes.
const LONGEST: usize = 64;

/// One name for both; `None` when it would be too long for the other dialects.
pub fn join(namespace: &str, name: &str) -> Option<String> {
    let joined = format!("{namespace}{SEPARATOR}{name}");
    (joined.len() <= LONGEST).then_some(joined)
}

/// Namespace (if any) and name.
pub fn split(joined: &str) -> (Option<&str>, &str) {
    match joined.split_once(SEPARATOR) {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => (Some(namespace), name),
        _ => (None, joined),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_joined_comes_apart_again() {
        for (namespace, name) in [("multi_agent_v1", "spawn_agent"), ("mcp__a__", "b"), ("a", "b__ns__c")] {
            assert_eq!(split(&join(namespace, name).unwrap()), (Some(namespace), name));
        }
        assert_eq!(split("mcp__server__tool"), (None, "mcp__server__tool"));
        assert_eq!(split("__ns__tool"), (None, "__ns__tool"));
        assert_eq!(join(&"n".repeat(40), &"t".repeat(30)), None);
    }
}
