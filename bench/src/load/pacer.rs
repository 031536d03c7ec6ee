//! Keeps time: a thread that says when each request is due. tokio's timers are a millisecond coarse, a sleeping thread is
//! exact to about 60 µs.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

/// Sends the due time of each of `count` arrivals, one every `every`, when it has come.
pub fn pacer(every: Duration, count: u32) -> mpsc::UnboundedReceiver<Instant> {
    let (due, receiver) = mpsc::unbounded_channel();
    let start = Instant::now() + Duration::from_millis(20);
    std::thread::spawn(move || {
        for index in 0..count {
            let at = start + every * index;
            pause(at.saturating_duration_since(Instant::now()));
            if due.send(at).is_err() {
                return;
            }
        }
    });
    receiver
}

#[expect(clippy::disallowed_methods, reason = "keeping time is what this thread is for")]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
