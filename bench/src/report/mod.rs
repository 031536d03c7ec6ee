//! What a benchmark leaves behind: a table for people, a JSON file for comparisons.

mod compare;
pub mod readme;
mod result;
mod table;

pub use compare::compare;
pub use result::Results;
pub use table::{markdown, plain};
