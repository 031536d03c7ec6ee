//! Anthropic with stored OAuth tokens (`upstreams.md` §2.1, opt-in).

pub mod oauth;
