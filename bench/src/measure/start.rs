//! Idle memory, and the time from start to the first served request (P12).

use std::time::Duration;

use tokio::time::Instant;

use super::rig::{Rig, request};
use super::{Figure, Judged};
use crate::load::{Expect, closed};
use crate::rig::kernel;
use crate::rig::relay::Relay;

/// Restarts the relay of the rig and times it. The first start of the rig has warmed the binary.
pub async fn figures(rig: &mut Rig) -> anyhow::Result<Vec<Figure>> {
    let (mut seconds, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        rig.relay.process.signal("TERM")?;
        rig.relay.process.ended_within(Duration::from_secs(20)).await?;
        let from = Instant::now();
        rig.relay = Relay::launch(rig.relay.plan.clone())?;
        let side = rig.relay();
        let bytes = request(&side, false, 1024);
        let tally = first_served(&mut rig.relay, &bytes).await?;
        seconds.push(from.elapsed().as_secs_f64());
        rig.account(&tally).await?;
        idle.push(kernel::memory(rig.relay.process.pid()).rss_kib as f64 / 1024.0);
    }
    Ok(vec![
        Figure::new("P12", "idle resident memory", "MiB", idle, None).against(Judged::AtMost, 40.0, 80.0),
        Figure::new("P12", "start to first served request", "s", seconds, None).against(Judged::AtMost, 0.3, 1.0),
    ])
}

async fn first_served(relay: &mut Relay, bytes: &[u8]) -> anyhow::Result<crate::load::Tally> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let expect = Expect { stream: false, deltas: None };
        let tally = closed(relay.plan.listen, bytes, expect, 1, 1).await;
        if tally.bad == 0 {
            return Ok(tally);
        }
        anyhow::ensure!(relay.process.is_running(), "the relay ended: {}", relay.process.log_tail());
        anyhow::ensure!(Instant::now() < deadline, "no answer after start: {:?}", tally.first_bad);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
