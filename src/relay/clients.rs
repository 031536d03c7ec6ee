//! Which program speaks, by the hints that it sends (`access.md` §7.1). All of them can be forged, so a rule keeps honest
//! programs apart and nobody out. Nothing is ever added to a request to make it pass.

use actix_web::http::header::HeaderMap;
use actors::domain::client::{ClientType, RouteFamily};
use actors::domain::route::Endpoint;
use regex::{Regex, RegexBuilder};
use serde_json::Value;

/// Most memory that a pattern may take once compiled.
const PATTERN_BYTES: usize = 256 * 1024;
/// A session id of Codex is longer than this.
const SHORT_SESSION: usize = 20;

/// The rules that need no configuration.
pub const BUILT_IN: [&str; 4] = ["claude_code", "codex_cli", "gemini_cli", "droid_cli"];

/// What a request shows of its program.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The family of its route.
    pub family: RouteFamily,
    /// What it asks for.
    pub endpoint: Endpoint,
    /// More than the user agent counts.
    pub strict: bool,
    /// `metadata.user_id`, once the body was read.
    pub user_id: Option<Option<&'a str>>,
}

impl<'a> Visit<'a> {
    fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    fn agent(&self) -> &'a str {
        self.header("user-agent").unwrap_or_default()
    }
}

/// A rule of the operator, ready for use.
#[derive(Debug)]
struct Custom {
    kind: ClientType,
    agent: Regex,
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct ClientRules(Vec<Custom>);

/// A pattern of a user agent. Matching takes linear time whatever the pattern.
///
/// # Errors
/// When it is none, or takes too much memory.
pub fn pattern(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text).size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES).build().map_err(|e| e.to_string())
}

impl ClientRules {
    /// The built-in rules and these. A rule whose pattern cannot be read is left out: it matches nobody.
    pub fn new(kinds: Vec<ClientType>) -> Self {
        let ready = |kind: ClientType| match pattern(&kind.ua_regex) {
            Ok(agent) => Some(Custom { kind, agent }),
            Err(error) => {
                tracing::warn!(client = kind.id.as_str(), %error, "client rule cannot be used");
                None
            }
        };
        Self(kinds.into_iter().filter_map(ready).collect())
    }

    /// True when one of the listed clients is recognised; an empty list restricts nothing.
    pub fn admit(&self, listed: &[String], visit: &Visit<'_>) -> bool {
        listed.is_empty() || listed.iter().any(|id| self.is(id, visit))
    }

    /// True when the request comes from this client, as far as it shows.
    pub fn is(&self, id: &str, visit: &Visit<'_>) -> bool {
        match id {
            "claude_code" => is_claude_code(visit),
            "codex_cli" => is_codex(visit),
            "gemini_cli" => is_gemini(visit),
            "droid_cli" => is_droid(visit),
            _ => self.0.iter().any(|custom| custom.kind.id == id && custom.matches(visit)),
        }
    }
}

impl Custom {
    fn matches(&self, visit: &Visit<'_>) -> bool {
        let may_go_there = self.kind.route_families.is_empty() || self.kind.route_families.contains(&visit.family);
        let sends = |(name, part): (&String, &String)| visit.header(name).is_some_and(|value| value.contains(&**part));
        may_go_there && self.agent.is_match(visit.agent()) && self.kind.required_headers.iter().all(sends)
    }
}

fn is_claude_code(visit: &Visit<'_>) -> bool {
    let its_agent = visit.agent().strip_prefix("claude-cli/").is_some_and(starts_with_version);
    match visit.family {
        RouteFamily::Bedrock => its_agent,
        RouteFamily::Messages => its_agent && (!visit.strict || has_marks_of_claude_code(visit)),
        _ => false,
    }
}

fn has_marks_of_claude_code(visit: &Visit<'_>) -> bool {
    let named = visit.header("x-app").is_some_and(|value| !value.is_empty());
    let versioned = ["anthropic-beta", "anthropic-version"].iter().all(|name| visit.headers.contains_key(*name));
    named && versioned && visit.user_id.is_none_or(|id| id.is_some_and(is_session_of_claude_code))
}

/// `user_<64 hex>_account_<uuid or empty>_session_<uuid>`, or a JSON object with `device_id` and `session_id`.
fn is_session_of_claude_code(id: &str) -> bool {
    if let Ok(Value::Object(parts)) = serde_json::from_str(id) {
        return ["device_id", "session_id"].iter().all(|name| parts.get(*name).is_some_and(Value::is_string));
    }
    let parts = id.strip_prefix("user_").and_then(|rest| rest.split_once("_account_"));
    let Some((user, Some((account, session)))) = parts.map(|(user, rest)| (user, rest.split_once("_session_"))) else {
        return false;
    };
    let hex = user.len() == 64 && user.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex && (account.is_empty() || is_uuid(account)) && is_uuid(session)
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_codex(visit: &Visit<'_>) -> bool {
    let Some((product, _)) = visit.agent().split_once('/') else { return false };
    let known = matches!(product, "codex_vscode" | "codex_cli_rs" | "codex_exec");
    let session = || visit.header("session-id").or_else(|| visit.header("session_id"));
    let marked = || visit.header("originator") == Some(product) && session().is_some_and(|id| id.len() > SHORT_SESSION);
    visit.family == RouteFamily::Responses && known && (!visit.strict || marked())
}

/// Its other verbs are sent by a library with a name of its own.
fn is_gemini(visit: &Visit<'_>) -> bool {
    let there = matches!(visit.family, RouteFamily::Gemini | RouteFamily::CodeAssist);
    let its_agent = || ["GeminiCLI-", "GeminiCLI/"].iter().any(|start| visit.agent().starts_with(start));
    there && (visit.endpoint != Endpoint::Generate || its_agent())
}

fn is_droid(visit: &Visit<'_>) -> bool {
    let versioned = |rest: &str| starts_with_version(rest);
    let its_agent = visit.agent().split("factory-cli/").skip(1).any(versioned);
    let named =
        visit.header("x-factory-client").is_some_and(|name| name.contains("droid") || name.contains("factory-cli"));
    visit.family == RouteFamily::Droid && (its_agent || named)
}

/// Three numbers with dots between them come first.
fn starts_with_version(text: &str) -> bool {
    let mut parts = text.splitn(3, '.');
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let two = parts.next().is_some_and(number) && parts.next().is_some_and(number);
    two && parts.next().is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn visit<'a>(headers: &'a HeaderMap, family: RouteFamily, strict: bool) -> Visit<'a> {
        Visit { headers, family, endpoint: Endpoint::Generate, strict, user_id: None }
    }

    #[test]
    fn each_client_is_known_by_its_user_agent_on_its_own_routes() {
        use RouteFamily as F;
        for (id, agent, at, elsewhere) in [
            ("claude_code", "claude-cli/2.1.329 (external, cli)", F::Messages, F::Chat),
            ("claude_code", "claude-cli/2.1.329 (external, cli)", F::Bedrock, F::Responses),
            ("codex_cli", "codex_exec/0.169.0 (Linux)", F::Responses, F::Chat),
            ("codex_cli", "codex_cli_rs/0.1", F::Responses, F::Messages),
            ("gemini_cli", "GeminiCLI-tui/0.61.0/gemini-2.5-pro (linux)", F::Gemini, F::Chat),
            ("gemini_cli", "GeminiCLI/0.1", F::CodeAssist, F::Messages),
            ("droid_cli", "factory-cli/0.19.3", F::Droid, F::Messages),
            ("droid_cli", "x (factory-cli/1.0.0)", F::Droid, F::Chat),
        ] {
            let sent = headers(&[("user-agent", agent)]);
            let rules = ClientRules::default();
            assert!(rules.is(id, &visit(&sent, at, false)), "{id}");
            assert!(!rules.is(id, &visit(&sent, elsewhere, false)), "{id} elsewhere");
            for other in BUILT_IN.iter().filter(|other| **other != id) {
                assert!(!rules.is(other, &visit(&sent, at, false)), "{id} as {other}");
            }
        }
    }

    #[test]
    fn near_misses_are_not_taken() {
        let rules = ClientRules::default();
        for (id, agent, family) in [
            ("claude_code", "claude-cli/2.1", RouteFamily::Messages),
            ("claude_code", "my claude-cli/2.1.3", RouteFamily::Messages),
            ("claude_code", "claude-cli/a.b.c", RouteFamily::Messages),
            ("codex_cli", "codex/1", RouteFamily::Responses),
            ("gemini_cli", "GeminiCLIx/1", RouteFamily::Gemini),
            ("droid_cli", "factory-cli/1", RouteFamily::Droid),
            ("unheard_of", "anything", RouteFamily::Messages),
        ] {
            let sent = headers(&[("user-agent", agent)]);
            assert!(!rules.is(id, &visit(&sent, family, false)), "{agent}");
        }
        assert!(!rules.is("claude_code", &visit(&HeaderMap::new(), RouteFamily::Messages, false)));
        assert!(rules.admit(&[], &visit(&HeaderMap::new(), RouteFamily::Messages, true)), "no list, no rule");
    }

    #[test]
    fn strict_mode_wants_the_marks_of_claude_code() {
        let rules = ClientRules::default();
        let all = [
            ("user-agent", "claude-cli/2.1.329"),
            ("x-app", "cli"),
            ("anthropic-beta", "x"),
            ("anthropic-version", "2023-06-01"),
        ];
        for missing in 0..all.len() {
            let some: Vec<_> = all.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, p)| *p).collect();
            assert!(!rules.is("claude_code", &visit(&headers(&some), RouteFamily::Messages, true)), "{missing}");
        }
        let sent = headers(&all);
        let seen = visit(&sent, RouteFamily::Messages, true);
        assert!(rules.is("claude_code", &seen), "the body has not come yet");
        let hex = "ab".repeat(32);
        let uuid = "01234567-89ab-cdef-0123-456789abcdef";
        let (old, bare) =
            (format!("user_{hex}_account_{uuid}_session_{uuid}"), format!("user_{hex}_account__session_{uuid}"));
        let odd = format!("user_{hex}_account__session_1");
        for (id, good) in [
            (Some(&*old), true),
            (Some(&*bare), true),
            (Some(r#"{"device_id":"d","account_uuid":"","session_id":"s"}"#), true),
            (Some(r#"{"session_id":"s"}"#), false),
            (Some(&*odd), false),
            (Some("me"), false),
            (None, false),
        ] {
            assert_eq!(rules.is("claude_code", &Visit { user_id: Some(id), ..seen }), good, "{id:?}");
        }
    }

    #[test]
    fn strict_mode_wants_codex_to_name_itself_twice() {
        let rules = ClientRules::default();
        for (originator, session, good) in [
            ("codex_exec", "0123456789012345678901", true),
            ("codex_vscode", "0123456789012345678901", false),
            ("codex_exec", "01234567890123456789", false),
        ] {
            let sent =
                headers(&[("user-agent", "codex_exec/0.169"), ("originator", originator), ("session_id", session)]);
            assert_eq!(rules.is("codex_cli", &visit(&sent, RouteFamily::Responses, true)), good);
        }
    }

    #[test]
    fn operators_add_rules_of_their_own() {
        let kind = ClientType {
            id: "bot".to_owned(),
            name: "Bot".to_owned(),
            ua_regex: r"^bot/\d+$".to_owned(),
            required_headers: [("x-team".to_owned(), "red".to_owned()), ("x-any".to_owned(), String::new())].into(),
            route_families: vec![RouteFamily::Chat],
        };
        let broken = ClientType { id: "broken".to_owned(), ua_regex: "(".to_owned(), ..kind.clone() };
        let rules = ClientRules::new(vec![kind, broken]);
        let good = headers(&[("user-agent", "bot/7"), ("x-team", "dark red"), ("x-any", "")]);
        assert!(rules.is("bot", &visit(&good, RouteFamily::Chat, false)));
        assert!(!rules.is("bot", &visit(&good, RouteFamily::Messages, false)));
        assert!(!rules.is("broken", &visit(&good, RouteFamily::Chat, false)));
        let bad = headers(&[("user-agent", "bot/7"), ("x-team", "blue"), ("x-any", "1")]);
        assert!(!rules.is("bot", &visit(&bad, RouteFamily::Chat, false)));
        assert!(pattern(&"(a{100}){100}{100}".repeat(3)).is_err(), "a pattern may not take all memory");
    }
}
