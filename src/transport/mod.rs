//! Calls to upstreams: the only place of the product that opens outbound sockets.
//!
//! Every worker thread has one [`Egress`]. It resolves names, checks each address against the [`EgressRules`], goes through
//! the account's proxy, does TLS, keeps connections alive per account, and answers with a body that is polled by the caller.
//! It never follows redirects, never decodes bodies, and adds no header but `host`, `content-length` and `date`
//! (HTTP/1.1 only; the HTTP client writes `date` itself and it is accepted knowingly, `reliability.md` C11).

mod call;
mod error;

mod address;
mod guard;
mod target;

mod dial;
mod resolve;
mod tls;
mod trace;
mod tunnel;
mod wire;

mod body;
mod clients;
mod egress;
mod idle;
mod prepared;

mod thread;

mod own;

pub use body::AnswerBody;
pub use call::{OutboundAnswer, OutboundCall, ProxyKind, ProxyTarget};
pub use egress::Egress;
pub use error::TransportError;
pub use guard::{EgressRules, InvalidRule, UnsafeUrl};
pub use idle::IdleTimeout;
pub use own::{OwnAnswer, OwnCall, OwnCallError};
pub use resolve::Resolve;
pub use thread::{EgressGone, EgressThread};
