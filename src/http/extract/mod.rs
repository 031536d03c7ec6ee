//! What handlers are given: proof of who asks, bodies and queries that were already checked.

pub mod api_key;
pub mod relay_body;

mod body;
mod merge;
mod page;

pub use body::{Body, Params};
pub use merge::{merged, take_version};
pub use page::{Cursor, PageQuery};
