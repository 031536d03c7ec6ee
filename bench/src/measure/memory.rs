//! Memory of many slow streams at once (P7, P8).

use std::time::Duration;

use super::rig::{Rig, Side, request};
use super::{Figure, Judged};
use crate::load::{Expect, Tally, ramped};
use crate::rig::kernel;

/// Deltas per stream, and the pause between them: long enough for every stream to be open at once.
const DELTAS: usize = 12;
const PAUSE_MS: u64 = 500;
/// The streams begin within this time, a third of what each lasts.
const RAMP: Duration = Duration::from_secs(2);

/// Opens `streams` streams at once. P7 reports KiB per stream over idle, P8 the resident set in MiB.
pub async fn streams(rig: &mut Rig, id: &str, streams: usize) -> anyhow::Result<Figure> {
    rig.script(DELTAS, PAUSE_MS).await?;
    let side = rig.nginx();
    let (nginx_idle, nginx_peak, _) = one(&side, streams).await?;
    let side = rig.relay();
    let (idle, peak, tally) = one(&side, streams).await?;
    rig.account(&tally).await?;
    let each = |idle: u64, peak: u64| peak.saturating_sub(idle) as f64 / streams as f64;
    Ok(if id == "P7" {
        Figure::new(
            id,
            "1,000 slow streams, memory each over idle",
            "KiB",
            vec![each(idle, peak)],
            Some(vec![each(nginx_idle, nginx_peak)]),
        )
        .against(Judged::AtMost, 40.0, 80.0)
    } else {
        Figure::new(
            id,
            "9,500 open streams, resident",
            "MiB",
            vec![peak as f64 / 1024.0],
            Some(vec![nginx_peak as f64 / 1024.0]),
        )
        .against(Judged::AtMost, 400.0, 800.0)
    })
}

/// Resident KiB before and at most while the streams run.
async fn one(side: &Side, streams: usize) -> anyhow::Result<(u64, u64, Tally)> {
    let Some(pid) = side.pid else { anyhow::bail!("nothing to measure") };
    let idle = kernel::memory(pid).rss_kib;
    let expect = Expect { stream: true, deltas: Some(DELTAS) };
    let bytes = request(side, true, 1024);
    let load = ramped(side.address, &bytes, expect, streams, streams as u64, RAMP);
    tokio::pin!(load);
    let mut peak = idle;
    loop {
        tokio::select! {
            tally = &mut load => return Ok((idle, peak, tally.valid()?)),
            () = tokio::time::sleep(Duration::from_millis(200)) => peak = peak.max(kernel::memory(pid).rss_kib),
        }
    }
}
