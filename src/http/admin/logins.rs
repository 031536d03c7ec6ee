//! Slows down guessing of passwords and setup tokens: the throttle of `identity`, as answers of the API.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use actors::domain::time::MINUTE;

use super::AdminState;
use crate::http::error::{ApiError, Reason};
use crate::identity::throttle::{PairRule, Throttle};

/// Counters of logins.
pub struct Logins(Throttle);

impl Logins {
    /// Over these counters.
    pub fn new(throttle: Throttle) -> Self {
        Self(throttle)
    }

    /// Admits a try, after a delay when its name is under attack; or answers 429 without looking at the password.
    pub async fn admit(&self, state: &AdminState, name: &str, ip: Option<IpAddr>) -> Result<(), ApiError> {
        match self.0.check(name, known(ip)).await {
            Ok(allowed) => {
                tokio::time::sleep(Duration::from_millis(allowed.delay_ms.unsigned_abs())).await;
                Ok(())
            }
            Err(blocked) => {
                state.metrics.login_blocked().inc();
                let seconds = blocked.retry_after_ms.unsigned_abs().div_ceil(1_000).max(1);
                Err(ApiError::new(Reason::TooManyAttempts, "too many attempts").retry_after(seconds))
            }
        }
    }

    /// Counts a failure.
    pub async fn failed(&self, state: &AdminState, name: &str, ip: Option<IpAddr>) {
        let settings = state.engine.settings.current();
        let rule = PairRule { count: settings.login_max_failures, window_ms: settings.login_window_min * MINUTE };
        self.0.failed(name, known(ip), rule).await;
    }

    /// A success clears the failures of this name from this address.
    pub async fn succeeded(&self, name: &str, ip: Option<IpAddr>) {
        self.0.succeeded(name, known(ip)).await;
    }
}

/// Callers without an address (a socket that is gone) count as one.
fn known(ip: Option<IpAddr>) -> IpAddr {
    ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}
