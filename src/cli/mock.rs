//! `mock-upstream`: the mock alone, until it is interrupted.

use std::net::SocketAddr;

use super::exit::Failure;
use super::output::Output;
use crate::app::signals;
use crate::mock::{self, MockOptions};

/// Serves the mock until a stop signal.
pub fn run(listen: SocketAddr, no_log: bool, threads: usize, out: Output) -> Result<(), Failure> {
    super::on_actix(async move {
        let mock = mock::serve(listen, MockOptions { log: !no_log, threads }).await?;
        out.say(&format!("mock upstream listens on {}", mock.url()));
        signals::stop_requested().await;
        mock.stop();
        Ok(())
    })
}
