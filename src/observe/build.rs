//! What was built: version, commit, time of the commit.

use serde::Serialize;

/// A build's identity.
#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
pub struct Build {
    /// Version of the product.
    pub version: &'static str,
    /// Commit it was built from; `unknown` outside of a repository.
    pub commit: &'static str,
    /// Time of that commit, RFC 3339.
    pub built_at: &'static str,
}

impl Build {
    /// This program's.
    pub const fn current() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: env!("QUOTALANE_COMMIT"),
            built_at: env!("QUOTALANE_COMMIT_TIME"),
        }
    }
}
