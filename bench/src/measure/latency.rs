//! Added latency at fixed arrival rates (P5) and added delay per delta (P6), against direct calls and nginx in the same run.

use std::time::Duration;

use super::rig::{Rig, Side, Size, request};
use super::{Figure, Judged};
use crate::load::{Expect, Pace, Percentiles, Tally, open};

/// P5: what the relay adds to a direct call, beside what nginx adds, at 500 and 2,000 requests a second.
pub async fn requests(rig: &mut Rig, size: Size) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for per_second in [500, 2_000] {
        let seconds = (12 / u32::try_from(size.divide)?).max(3);
        let pace = Pace { per_second, count: per_second * seconds, delta_every: None };
        figures.extend(one_rate(rig, size, pace).await?);
    }
    Ok(figures)
}

/// P6: how much later deltas arrive than by a direct call, 20 streams a second of 50 deltas.
pub async fn deltas(rig: &mut Rig, size: Size) -> anyhow::Result<Figure> {
    let every = Duration::from_millis(20);
    rig.script(50, 20).await?;
    let pace = Pace { per_second: 20, count: (200 / u32::try_from(size.divide)?).max(40), delta_every: Some(every) };
    let (mut nginx, mut relay) = (Vec::new(), Vec::new());
    for _ in 0..size.repeats {
        let late = |tally: Tally| Percentiles::of(tally.delta_late_us).p99;
        let direct = late(one(rig, &rig.direct(), true, pace).await?);
        nginx.push((late(one(rig, &rig.nginx(), true, pace).await?) - direct).max(0.0));
        let through = one(rig, &rig.relay(), true, pace).await?;
        rig.account(&through).await?;
        relay.push((late(through) - direct).max(0.0));
    }
    Ok(Figure::new("P6", "added delay per delta, p99, 20 streams/s", "ms", relay, Some(nginx)).against(
        Judged::AtMost,
        0.5,
        2.0,
    ))
}

async fn one_rate(rig: &mut Rig, size: Size, pace: Pace) -> anyhow::Result<Vec<Figure>> {
    let mut added: [Vec<f64>; 4] = Default::default();
    for _ in 0..size.repeats {
        let direct = Percentiles::of(one(rig, &rig.direct(), false, pace).await?.latency_us);
        let nginx = Percentiles::of(one(rig, &rig.nginx(), false, pace).await?.latency_us);
        let through = one(rig, &rig.relay(), false, pace).await?;
        rig.account(&through).await?;
        let relay = Percentiles::of(through.latency_us);
        let values = [relay.p50 - direct.p50, nginx.p50 - direct.p50, relay.p99 - direct.p99, nginx.p99 - direct.p99];
        values.into_iter().zip(&mut added).for_each(|(value, list)| list.push(value));
    }
    let [relay_p50, nginx_p50, relay_p99, nginx_p99] = added;
    let what = |word: &str| format!("added latency {word} at {}/s", pace.per_second);
    Ok(vec![
        Figure::new("P5", &what("p50"), "ms", relay_p50, Some(nginx_p50)).against(Judged::AboveNginx, 0.10, 0.3),
        Figure::new("P5", &what("p99"), "ms", relay_p99, Some(nginx_p99)).against(Judged::AboveNginx, 0.5, 2.0),
    ])
}

async fn one(rig: &Rig, side: &Side, stream: bool, pace: Pace) -> anyhow::Result<Tally> {
    if !stream {
        rig.script(1, 0).await?;
    }
    let expect = Expect { stream, deltas: stream.then_some(50) };
    open(side.address, &request(side, stream, 1024), expect, pace).await.valid()
}
