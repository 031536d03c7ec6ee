//! The processes of a measurement or fault test: the relay, the mock upstream, nginx, stores; and what the kernel says
//! about them.

pub mod kernel;
pub mod mock;
pub mod nginx;
pub mod process;
pub mod relay;
pub mod rows;
pub mod stores;

use std::net::{SocketAddr, TcpListener};

/// A loopback address with a port that was free a moment ago.
pub fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
