//! Which betas Bedrock takes, under which name, and what goes with those that it does not take (`upstreams.md` §2.4).

use actors::domain::account::AccountSpec;

use crate::dialect::wire::request::{Envelope, betas};
use crate::upstream::Inbound;

/// The account option: a comma-separated list that replaces [`ACCEPTED`].
const ACCEPTED_BETAS: &str = "accepted_betas";

/// What Bedrock accepts.
const ACCEPTED: [&str; 14] = [
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "compact-2026-01-12",
    "effort-2025-11-24",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "thinking-token-count-2026-05-13",
    "tool-search-tool-2025-10-19",
    "mid-conversation-tool-changes-2026-07-01",
    "mid-conversation-output-config-2026-07-01",
    "thinking-binding-controls-2026-08-01",
    "thinking-display-updates-2026-08-18",
];

/// What it knows by another name.
const RENAMED: [(&str, &str); 1] = [("advanced-tool-use-2025-11-20", "tool-search-tool-2025-10-19")];

/// Fields that betas unlock, by how the betas begin. Without its beta such a field is answered with a 400.
const UNLOCKS: [(&str, Unlocked); 9] = [
    ("context-management-", Unlocked::Field("context_management")),
    ("compact-", Unlocked::Field("context_management")),
    ("fast-mode-", Unlocked::Field("speed")),
    ("mcp-client-", Unlocked::Field("mcp_servers")),
    ("skills-", Unlocked::Field("container")),
    ("code-execution-", Unlocked::Field("container")),
    ("per-turn-control-", Unlocked::MessageOutput),
    ("mid-conversation-output-config-", Unlocked::MessageOutput),
    ("prompt-caching-scope-", Unlocked::CacheScope),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unlocked {
    Field(&'static str),
    MessageOutput,
    CacheScope,
}

/// The envelope of a call: the betas of its header and body that Bedrock takes, and the fields that go with the others.
/// A translated call has none of its client's betas.
pub(super) fn envelope(call: &Inbound<'_>, body: &[u8], account: &AccountSpec) -> Envelope {
    let mut asked = if call.translated { Vec::new() } else { in_header(call) };
    asked.extend(betas(body));
    let own = account.options.get(ACCEPTED_BETAS).map(|list| split(list).collect::<Vec<_>>());
    let accepted = own.as_deref().unwrap_or(&ACCEPTED);
    let (mut sent, mut dropped) = (Vec::<String>::new(), Vec::new());
    for beta in &asked {
        let renamed = RENAMED.iter().find(|(own, _)| own == beta).map_or(beta.as_str(), |(_, name)| *name);
        match accepted.contains(&renamed) {
            true if sent.iter().any(|present| present == renamed) => {}
            true => sent.push(renamed.to_owned()),
            false => dropped.push(beta.as_str()),
        }
    }
    without_fields_of(&dropped, sent)
}

fn without_fields_of(dropped: &[&str], sent: Vec<String>) -> Envelope {
    let unlocks =
        |beta: &str, what: Unlocked| UNLOCKS.iter().any(|(start, own)| *own == what && beta.starts_with(start));
    // Two betas may unlock one field: it stays while one of them is sent.
    let locked =
        |what: Unlocked| dropped.iter().any(|beta| unlocks(beta, what)) && !sent.iter().any(|beta| unlocks(beta, what));
    let mut drop_fields: Vec<&'static str> = UNLOCKS
        .iter()
        .filter(|(_, what)| locked(*what))
        .filter_map(|(_, what)| if let Unlocked::Field(name) = what { Some(*name) } else { None })
        .collect();
    drop_fields.dedup();
    let (drop_message_output, drop_cache_scope) = (locked(Unlocked::MessageOutput), locked(Unlocked::CacheScope));
    Envelope { betas: sent, drop_fields, drop_message_output, drop_cache_scope }
}

fn in_header(call: &Inbound<'_>) -> Vec<String> {
    let lists = call.headers.get_all("anthropic-beta").filter_map(|value| value.to_str().ok());
    lists.flat_map(split).map(str::to_owned).collect()
}

fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|beta| !beta.is_empty())
}
