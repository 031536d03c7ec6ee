//! Complete answers in and out of their packing.

use bytes::Bytes;

use crate::dialect::gemini::code_assist;
use crate::dialect::{Surface, Wire};

/// A complete answer of a surface without its packing. Bedrock packs streams only.
pub fn unpack(from: Surface, body: &Bytes) -> Bytes {
    match from.wire {
        Wire::Plain | Wire::Bedrock => body.clone(),
        Wire::CodeAssist => code_assist::unwrap(body).map_or_else(|| body.clone(), |inner| body.slice_ref(inner)),
    }
}

/// A complete answer packed for a client.
pub fn pack(to: Surface, body: Bytes) -> Bytes {
    match to.wire {
        Wire::Plain | Wire::Bedrock => body,
        Wire::CodeAssist => Bytes::from(code_assist::wrap_answer(&body, None)),
    }
}
