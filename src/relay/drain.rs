//! After the client has left in the middle of a stream: cancel the upstream, or read on for its final usage
//! (`metering.md` §7).

use std::sync::atomic::Ordering;
use std::time::Duration;

use actors::domain::key::DisconnectPolicy;
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::call::seconds;
use super::settle::End;
use super::stream::{AFTER_STOP, Flow};
use crate::dialect::tap::Terminal;

/// A full drain still ends some time: the longest stream there is.
const FULL_DRAIN: Duration = Duration::from_secs(3_600);

/// Takes over a stream whose client is gone. One that is settled just ends.
pub fn after_client(flow: Flow) {
    if flow.is_settled() {
        return;
    }
    let settings = &flow.settlement.settings;
    let policy = flow.settlement.request.key.disconnect;
    let (time, tokens) = match policy {
        DisconnectPolicy::Cancel => (Duration::ZERO, 0),
        DisconnectPolicy::DrainLimited => (seconds(settings.drain_s), settings.drain_max_output.unsigned_abs()),
        DisconnectPolicy::DrainFull => (FULL_DRAIN, u64::MAX),
    };
    let shared = std::sync::Arc::clone(flow.settlement.relay.shared());
    let most = usize::try_from(settings.max_drains).unwrap_or(usize::MAX);
    let room = shared.drains.load(Ordering::Relaxed) < most;
    let word = match policy {
        DisconnectPolicy::Cancel => "cancel",
        DisconnectPolicy::DrainLimited => "drain_limited",
        DisconnectPolicy::DrainFull => "drain_full",
    };
    shared.metrics.relay_disconnects(word, "streaming").inc();
    if time.is_zero() || !room {
        return;
    }
    shared.drains.fetch_add(1, Ordering::Relaxed);
    shared.metrics.relay_drains_active().inc();
    actix_rt::spawn(async move {
        drain(flow, Instant::now() + time, tokens).await;
        shared.metrics.relay_drains_active().dec();
        shared.drains.fetch_sub(1, Ordering::Relaxed);
    });
}

/// Reads until the end, the deadline or the token limit. Dropping the flow settles what was seen and cancels the upstream.
async fn drain(mut flow: Flow, deadline: Instant, most_tokens: u64) {
    flow.settlement.return_permit();
    flow.settlement.flags.push("drained");
    let already = flow.open.pipe.tap.seen().output.tokens();
    let mut until = deadline;
    while let Ok(Some(Ok(chunk))) = timeout_at(until, flow.open.upstream.next()).await {
        flow.drained(chunk);
        if flow.open.pipe.tap.seen().output.tokens().saturating_sub(already) > most_tokens {
            break;
        }
        until = match flow.open.pipe.tap.seen().terminal {
            Terminal::Stop => deadline.min(Instant::now() + AFTER_STOP),
            _ => deadline,
        };
    }
    flow.finish(&End::cancelled());
}
