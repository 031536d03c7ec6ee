//! What handlers are given: proof of who asks, bodies and queries that were already checked.

pub mod api_key;
pub mod relay_body;
pub mod spill;

mod body;
pub mod client;
mod merge;
mod page;
pub mod session;

pub use body::{BODY_LIMIT, Body, Params, parse_value};
pub use client::{ClientInfo, TrustedProxies};
pub use merge::{changes, merged, take_version};
pub use page::{Cursor, PageQuery};
pub use session::{Admin, Auditor, Entrant, Fresh, Session, SuperAdmin, User, must_enrol};
