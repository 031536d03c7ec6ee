//! Tests of the journal on a real file system.

mod build;

mod crash;
mod full;
mod keep;
mod reread;
mod safe;
