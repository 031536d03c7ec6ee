//! Estimates tokens from bytes, for holds and for answers without usage (`metering.md` §6, §2.7).

/// Text bytes by how densely they tokenise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TextBytes {
    /// ASCII bytes: 3.2 a token.
    pub ascii: u64,
    /// Bytes of other UTF-8 characters: 2 a token.
    pub other: u64,
}

/// Estimated prompt tokens of a request body.
pub fn input_tokens(body: &[u8]) -> u64 {
    todo!()
}

/// True when some part of the request asks for a prompt cache.
pub fn has_cache_control(body: &[u8]) -> bool {
    todo!()
}
/// True when some part asks for the one-hour cache, whose writes cost more.
pub fn has_long_cache(body: &[u8]) -> bool {
    todo!()
}
