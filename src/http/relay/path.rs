//! Which relay route a path means: base paths and spellings that clients use, decided in one pure function.

/// A relay route of the Anthropic family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// Make a message.
    Messages,
    /// Count the tokens of a prompt.
    CountTokens,
    /// List models.
    Models,
    /// One model.
    Model(&'a str),
    /// The key about itself.
    KeyInfo,
    /// The key's usage.
    Usage,
    /// The key's owner, as CLIs ask for it.
    Me,
    /// Credit of an "organisation": the key.
    OrganizationUsage,
    /// Reachability probe without a key.
    Hello,
    /// Client telemetry: accepted unread, never stored.
    EventBatch,
}

/// Why a path leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTarget {
    /// Dot segments, raw or encoded: never joined to anything.
    Unsafe,
    /// No route.
    Unknown,
}

/// Base paths under which the Anthropic routes exist.
const BASES: [&[&str]; 4] = [&["api", "claude"], &["api"], &["claude"], &["anthropic"]];

/// The route of a path. Doubled slashes, a trailing slash and a repeated `/v1` are tolerated.
pub fn target(path: &str) -> Result<Target<'_>, NoTarget> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if segments.iter().any(|segment| is_dots(segment)) {
        return Err(NoTarget::Unsafe);
    }
    match *segments.as_slice() {
        [] | ["api", "hello"] => return Ok(Target::Hello),
        ["api", "event_logging", "batch"] | ["api", "api", "event_logging", "batch"] => return Ok(Target::EventBatch),
        _ => {}
    }
    let mut rest = segments.as_slice();
    if let Some(base) = BASES.into_iter().find(|base| rest.starts_with(base)) {
        rest = rest.get(base.len()..).unwrap_or_default();
    }
    while let ["v1", after @ ..] = rest {
        rest = after;
    }
    match *rest {
        ["messages"] => Ok(Target::Messages),
        ["messages", "count_tokens"] => Ok(Target::CountTokens),
        ["models"] => Ok(Target::Models),
        ["models", model] => Ok(Target::Model(model)),
        ["key-info"] => Ok(Target::KeyInfo),
        ["usage"] => Ok(Target::Usage),
        ["me"] => Ok(Target::Me),
        ["organizations", _, "usage"] => Ok(Target::OrganizationUsage),
        _ => Err(NoTarget::Unknown),
    }
}

/// `.` and `..`, also percent-encoded, also with an encoded slash.
fn is_dots(segment: &str) -> bool {
    let lower = segment.to_ascii_lowercase();
    if lower.contains("%2f") || lower.contains("%5c") || lower.contains('\\') {
        return true;
    }
    matches!(lower.replace("%2e", ".").as_str(), "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_base_and_spelling_leads_to_its_route() {
        for base in ["", "/api", "/claude", "/api/claude", "/anthropic"] {
            for version in ["", "/v1", "/v1/v1"] {
                for (tail, expected) in [
                    ("/messages", Target::Messages),
                    ("/messages/", Target::Messages),
                    ("//messages/count_tokens", Target::CountTokens),
                    ("/models", Target::Models),
                    ("/models/claude-opus-4-5", Target::Model("claude-opus-4-5")),
                    ("/key-info", Target::KeyInfo),
                    ("/usage", Target::Usage),
                    ("/me", Target::Me),
                    ("/organizations/x/usage", Target::OrganizationUsage),
                ] {
                    let path = format!("{base}{version}{tail}");
                    assert_eq!(target(&path), Ok(expected), "{path}");
                }
            }
        }
        assert_eq!(target("/"), Ok(Target::Hello));
        assert_eq!(target("/api/hello"), Ok(Target::Hello));
        assert_eq!(target("/api/event_logging/batch"), Ok(Target::EventBatch));
        assert_eq!(target("/api/api/event_logging/batch"), Ok(Target::EventBatch));
    }

    #[test]
    fn dot_segments_are_refused_and_the_rest_is_unknown() {
        for path in ["/v1/../admin", "/v1/%2e%2e/admin", "/v1/%2E./messages", "/./v1/messages", "/v1/..%2fmessages"] {
            assert_eq!(target(path), Err(NoTarget::Unsafe), "{path}");
        }
        for path in ["/v1/messages/batches", "/v2/messages", "/api/v1/accounts", "/claude/api/v1/messages/x"] {
            assert_eq!(target(path), Err(NoTarget::Unknown), "{path}");
        }
    }
}
