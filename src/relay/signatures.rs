//! Signatures that came with tool calls, kept until the call comes back in the history (`relay-api.md` §9.1, `sig:` store).
//!
//! Some models refuse a call in the history without what they sealed it with, and a client of another dialect has no place
//! for it. A signature means something to the account that made it only, and to the key that got it.

use std::sync::Arc;

use actors::clock::Clock;
use actors::domain::id::{AccountId, KeyId};
use actors::domain::time::DAY;
use serde::{Deserialize, Serialize};

use super::recall::Recall;
use crate::cache::Cache;
use crate::dialect::convert::DecodeStream;
use crate::dialect::form::{Event, Part, Reasoning, Request};
use crate::dialect::ids::portable;

/// A conversation that pauses longer goes on without.
const KEPT_MS: i64 = DAY;
/// Signatures in memory; a few KiB each. The least used go first.
const MOST: u64 = 20_000;

/// What a call was sealed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seal {
    /// Gemini's `thoughtSignature`.
    Signature(String),
    /// A reasoning item of Responses: its id and `encrypted_content`.
    Item(Option<String>, String),
}

/// The seals of recent calls. Clones share them.
#[derive(Debug, Clone)]
pub struct Signatures(Recall<Arc<(AccountId, Seal)>>);

impl Signatures {
    /// None yet.
    pub fn new(cache: &Cache, clock: Clock) -> Self {
        Self(Recall::new("seal", MOST, cache, clock))
    }

    /// Keeps the seal of a call that this account made for this key.
    pub fn keep(&self, key: KeyId, account: AccountId, call: &str, seal: Seal) {
        self.0.keep(key, &portable(call), Arc::new((account, seal)), KEPT_MS);
    }

    /// True when seals of other instances can be learnt.
    pub fn is_shared(&self) -> bool {
        self.0.is_shared()
    }

    /// Learns the seals that other instances keep for the calls of a request.
    pub async fn learn(&self, key: KeyId, calls: &[String]) {
        let names: Vec<_> = calls.iter().map(|call| portable(call)).collect();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        self.0.fetch(key, &names).await;
    }

    /// Puts what this account sealed before the calls that it belongs to. True when anything was put in.
    pub fn restore(&self, key: KeyId, account: AccountId, request: &mut Request) -> bool {
        let mut any = false;
        for turn in &mut request.turns {
            let mut at = 0;
            while let Some(part) = turn.parts.get(at) {
                if let Part::ToolCall(call) = part
                    && let Some(reasoning) = self.of(key, account, &call.id)
                {
                    turn.parts.insert(at, Part::Reasoning(reasoning));
                    (any, at) = (true, at + 1);
                }
                at += 1;
            }
        }
        any
    }

    fn of(&self, key: KeyId, account: AccountId, call: &str) -> Option<Reasoning> {
        let kept = self.0.known(key, &portable(call))?;
        let (of_account, seal) = &*kept;
        (*of_account == account).then(|| match seal {
            Seal::Signature(signature) => {
                Reasoning { id: Some(call.to_owned()), signature: Some(signature.clone()), ..Reasoning::default() }
            }
            Seal::Item(id, sealed) => {
                Reasoning { id: id.clone(), sealed: Some(sealed.clone()), ..Reasoning::default() }
            }
        })
    }
}

/// Watches the events of an answer for calls that follow a sealed thought.
#[derive(Debug, Default)]
pub struct Sealed {
    last: Option<Seal>,
}

impl Sealed {
    /// What was sealed by these events of a stream, or by its decoder beside them.
    pub fn all(&mut self, decoder: &mut dyn DecodeStream, events: &[Event]) -> Vec<(String, Seal)> {
        let mut seals: Vec<(String, Seal)> = events.iter().filter_map(|event| self.event(event)).collect();
        seals.extend(decoder.signatures().into_iter().map(|(call, signature)| (call, Seal::Signature(signature))));
        seals
    }

    /// Takes the next event; the id and seal of a call that was sealed.
    pub fn event(&mut self, event: &Event) -> Option<(String, Seal)> {
        match event {
            Event::Sealed { id, data } => {
                self.last = Some(Seal::Item(id.clone(), data.clone()));
                None
            }
            Event::ToolCall { id, .. } => self.last.take().map(|seal| (id.clone(), seal)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::form::{Role, ToolCall, Turn};

    fn history(call: &str) -> Request {
        let part = Part::ToolCall(ToolCall { id: call.to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() });
        let turns = vec![Turn { role: Role::Assistant, parts: vec![Part::text("hm"), part] }];
        Request { turns, ..Request::default() }
    }

    #[test]
    fn a_seal_comes_back_to_its_own_account_and_key_only() {
        let clock = Clock::frozen(actors::domain::time::Timestamp(0));
        let kept = Signatures::new(&Cache::memory(clock.clone()), clock);
        kept.keep(KeyId(1), AccountId(7), "call:1", Seal::Signature("s".to_owned()));
        for (key, account, found) in [(1, 7, true), (2, 7, false), (1, 8, false)] {
            for id in ["call:1", &portable("call:1")] {
                let mut request = history(id);
                assert_eq!(kept.restore(KeyId(key), AccountId(account), &mut request), found, "{key} {account} {id}");
                let parts = &request.turns[0].parts;
                assert_eq!(parts.len(), if found { 3 } else { 2 });
                assert_eq!(matches!(&parts[1], Part::Reasoning(r) if r.signature.as_deref() == Some("s")), found);
            }
        }
    }

    #[test]
    fn a_sealed_item_belongs_to_the_first_call_after_it() {
        let mut sealed = Sealed::default();
        let call = |id: &str| Event::ToolCall { id: id.to_owned(), name: "f".to_owned() };
        assert_eq!(sealed.event(&Event::Sealed { id: Some("rs_1".into()), data: "x".into() }), None);
        let seal = Seal::Item(Some("rs_1".to_owned()), "x".to_owned());
        assert_eq!(sealed.event(&call("a")), Some(("a".to_owned(), seal)));
        assert_eq!(sealed.event(&call("b")), None);
    }
}
