//! Names to addresses: the system's resolver on the blocking pool, cached for a minute per worker.

use std::io;
use std::net::IpAddr;

use futures_util::future::LocalBoxFuture;

/// How names are resolved; the system's resolver unless a test brings its own.
pub trait Resolve {
    /// Every address of `host`.
    fn resolve<'a>(&'a self, host: &'a str) -> LocalBoxFuture<'a, io::Result<Vec<IpAddr>>>;
}
