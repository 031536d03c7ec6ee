//! Names in the store. The braces are a hash tag: whatever one script touches lives on one node of a cluster.

use actors::domain::id::AccountId;
use actors::domain::limit::RateDimension;
use actors::fleet::ask::{AdmissionAsk, RateAsk, RateOwner};

use crate::cache::server::PREFIX;

/// Of an account: leases, what each reserved, requests, tokens, budget, probe.
pub(super) fn account(id: AccountId) -> [String; 6] {
    [
        format!("{PREFIX}concurrency:{{acct:{id}}}"),
        format!("{PREFIX}lease:{{acct:{id}}}"),
        format!("{PREFIX}rpm:{{acct:{id}}}"),
        format!("{PREFIX}tpm:{{acct:{id}}}"),
        format!("{PREFIX}budget:{{acct:{id}}}"),
        format!("{PREFIX}circuit:{{acct:{id}}}:half_open"),
    ]
}

/// Of a user with a key: slots of the key, slots of the user, ends of holds, holds, money windows.
pub(super) fn user(ask: &AdmissionAsk) -> [String; 5] {
    let (user, key) = (ask.user, ask.key);
    [
        format!("{PREFIX}concurrency:{{user:{user}}}:key:{key}"),
        format!("{PREFIX}concurrency:{{user:{user}}}"),
        format!("{PREFIX}holds:{{user:{user}}}"),
        format!("{PREFIX}hold:{{user:{user}}}"),
        format!("{PREFIX}caps:{{user:{user}}}"),
    ]
}

/// Of a rate window.
pub(super) fn rate(ask: &AdmissionAsk, rate: &RateAsk) -> String {
    let owner = match rate.owner {
        RateOwner::Key => format!("key:{}:", ask.key),
        RateOwner::User => String::new(),
    };
    let dimension = match rate.dimension {
        RateDimension::Requests => "requests",
        RateDimension::Tokens => "tokens",
        RateDimension::Cost => "cost",
    };
    let family = rate.family.as_ref().map_or("", |family| &family.0);
    let smooth = if rate.smooth { ":rpm" } else { "" };
    format!("{PREFIX}rate:{{user:{}}}:{owner}{dimension}:{}{smooth}:{family}", ask.user, rate.window_ms)
}
