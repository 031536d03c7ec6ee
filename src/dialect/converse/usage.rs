//! Usage as the vendor reports it, normalised (`metering.md` §2).

use actors::domain::usage::Usage;

/// The vendor's usage object (JSON text); `None` when it is none.
pub fn usage(_object: &str) -> Option<Usage> {
    None
}
