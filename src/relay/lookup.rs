//! What the relay asks about keys and their past, as traits: the relay itself never touches storage.

use std::sync::Arc;

use actors::domain::id::KeyId;
use actors::domain::key::KeyPolicy;
use actors::domain::money::Nanos;
use actors::domain::usage::Tokens;
use actors::ports::{PortError, PortFuture};

use super::RelayError;

/// Finds keys by their text.
pub trait KeyLookup: Send + Sync {
    /// The key, when it was found before: without waiting.
    fn cached(&self, raw: &str) -> Option<Arc<KeyPolicy>>;

    /// The key, asking the storage if need be.
    fn find(&self, raw: &str) -> PortFuture<Result<Arc<KeyPolicy>, RelayError>>;

    /// Starts the clock of a key that waits for its first accepted request. Happens once, whoever comes first.
    fn activate(&self, key: KeyId) -> PortFuture<()>;
}

/// What a key has used over some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageSum {
    /// Requests.
    pub requests: u64,
    /// Tokens by kind.
    pub tokens: Tokens,
    /// Charge.
    pub charge: Nanos,
}

/// What a key has used: for ever, today, this month (site time).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyUsage {
    /// Since it exists.
    pub total: UsageSum,
    /// Since midnight.
    pub daily: UsageSum,
    /// Since the first of the month.
    pub monthly: UsageSum,
}

/// Tells what a key has used.
pub trait UsageLookup: Send + Sync {
    /// Real-time figures of a key.
    fn of_key(&self, key: KeyId) -> PortFuture<Result<KeyUsage, PortError>>;
}
