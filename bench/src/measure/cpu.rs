//! CPU per request, per stream and per delta, against nginx in the same run (P1–P4), and what follows from it (P10, P14).

use std::time::Duration;

use tokio::time::Instant;

use super::rig::{Rig, Side, Size, chat_request, request};
use super::{Figure, Judged};
use crate::load::{Expect, Tally, closed};
use crate::rig::kernel;

/// Connections of the closed loop.
const CONNECTIONS: usize = 64;

/// One kind of load.
#[derive(Debug, Clone, Copy)]
struct Shape {
    stream: bool,
    bytes: usize,
    deltas: Option<usize>,
    connections: usize,
    total: u64,
}

/// CPU in microseconds per request of both sides, repetitions interleaved.
#[derive(Debug, Default)]
struct Pairs {
    nginx: Vec<f64>,
    relay: Vec<f64>,
}

/// P1 CPU per JSON request, P10 requests per core-second, P14 how far the usage pipeline is behind.
pub async fn json(rig: &mut Rig, size: Size) -> anyhow::Result<Vec<Figure>> {
    let shape =
        Shape { stream: false, bytes: 1024, deltas: None, connections: CONNECTIONS, total: 60_000 / size.divide };
    let (mut pairs, mut lags) = (Pairs::default(), Vec::new());
    for _ in 0..size.repeats {
        one_pair(rig, shape, &mut pairs, &mut lags).await?;
    }
    let saturated: Vec<f64> = pairs.relay.iter().map(|us| 1e6 / us).collect();
    Ok(vec![
        Figure::new("P1", "CPU per JSON request, 1 KB", "µs", pairs.relay, Some(pairs.nginx)).against(
            Judged::RatioToNginx,
            2.0,
            3.0,
        ),
        Figure::new("P10", "requests per core-second, saturated", "1/s", saturated, None).against(
            Judged::AtLeast,
            25_000.0,
            15_000.0,
        ),
        Figure::new("P14", "usage in SQL after the last answer of a saturated run", "s", lags, None).against(
            Judged::AtMost,
            2.0,
            4.0,
        ),
    ])
}

/// P2: CPU per stream of 20 deltas.
pub async fn streams(rig: &mut Rig, size: Size) -> anyhow::Result<Figure> {
    rig.script(20, 0).await?;
    let shape =
        Shape { stream: true, bytes: 1024, deltas: Some(20), connections: CONNECTIONS, total: 40_000 / size.divide };
    let pairs = repeated(rig, size, shape).await?;
    Ok(Figure::new("P2", "CPU per stream of 20 deltas, usage tapped", "µs", pairs.relay, Some(pairs.nginx)).against(
        Judged::RatioToNginx,
        2.0,
        3.0,
    ))
}

/// P3: CPU per request of 128 KB.
pub async fn large(rig: &mut Rig, size: Size) -> anyhow::Result<Figure> {
    let shape = Shape { stream: false, bytes: 128 * 1024, deltas: None, connections: 16, total: 12_000 / size.divide };
    let pairs = repeated(rig, size, shape).await?;
    Ok(Figure::new("P3", "CPU per 128 KB request (a Claude Code turn)", "µs", pairs.relay, Some(pairs.nginx)).against(
        Judged::RatioToNginx,
        1.0,
        1.5,
    ))
}

/// P4: CPU per delta when streams are slow.
pub async fn deltas(rig: &mut Rig, size: Size) -> anyhow::Result<Figure> {
    const DELTAS: usize = 50;
    rig.script(DELTAS, 20).await?;
    let shape =
        Shape { stream: true, bytes: 1024, deltas: Some(DELTAS), connections: 200, total: 1_600 / size.divide.min(4) };
    let per_delta = |us: Vec<f64>| -> Vec<f64> { us.into_iter().map(|us| us / DELTAS as f64).collect() };
    let pairs = repeated(rig, size, shape).await?;
    Ok(Figure::new("P4", "CPU per delta on slow streams", "µs", per_delta(pairs.relay), Some(per_delta(pairs.nginx)))
        .against(Judged::RatioToNginx, 1.2, 1.5))
}

/// P13: CPU of a request that is translated, over the same request in the account's own dialect.
pub async fn translated(rig: &mut Rig, size: Size) -> anyhow::Result<Vec<Figure>> {
    let json =
        Shape { stream: false, bytes: 1024, deltas: None, connections: CONNECTIONS, total: 30_000 / size.divide };
    let stream = Shape { stream: true, deltas: Some(20), total: 20_000 / size.divide, ..json };
    rig.script(20, 0).await?;
    let mut figures = Vec::new();
    for (what, shape) in [("JSON", json), ("stream of 20 deltas", stream)] {
        let mut ratios = Vec::new();
        for _ in 0..size.repeats {
            let side = rig.relay();
            let (same, tally) = one(&side, shape).await?;
            rig.account(&tally).await?;
            let request = chat_request(&side, shape.stream, shape.bytes);
            let (other, tally) = one_of(&side, shape, &request).await?;
            rig.account(&tally).await?;
            ratios.push(other / same);
        }
        let what = format!("translated request over same dialect, CPU, {what}");
        figures.push(Figure::new("P13", &what, "×", ratios, None).against(Judged::AtMost, 1.5, 2.5));
    }
    Ok(figures)
}

/// P11: CPU per JSON request of an instance on MariaDB and Redis, over the embedded one's in the same run.
pub async fn fleet(embedded: &mut Rig, fleet: &mut Rig, size: Size) -> anyhow::Result<Figure> {
    let once = Size { repeats: 1, ..size };
    let mut ratios = Vec::new();
    for _ in 0..size.repeats {
        let alone = relay_json(embedded, once).await?;
        let in_fleet = relay_json(fleet, once).await?;
        ratios.extend(in_fleet.iter().zip(&alone).map(|(fleet, alone)| fleet / alone));
    }
    Ok(Figure::new("P11", "CPU per JSON request in fleet mode, over embedded", "×", ratios, None).against(
        Judged::AtMost,
        2.0,
        3.0,
    ))
}

/// CPU in microseconds per JSON request of the relay alone; for comparisons of the relay with itself.
pub async fn relay_json(rig: &mut Rig, size: Size) -> anyhow::Result<Vec<f64>> {
    let shape =
        Shape { stream: false, bytes: 1024, deltas: None, connections: CONNECTIONS, total: 30_000 / size.divide };
    let mut all = Vec::new();
    for _ in 0..size.repeats {
        let side = rig.relay();
        let (us, tally) = one(&side, shape).await?;
        rig.account(&tally).await?;
        all.push(us);
    }
    Ok(all)
}

async fn repeated(rig: &mut Rig, size: Size, shape: Shape) -> anyhow::Result<Pairs> {
    let (mut pairs, mut lags) = (Pairs::default(), Vec::new());
    for _ in 0..size.repeats {
        one_pair(rig, shape, &mut pairs, &mut lags).await?;
    }
    Ok(pairs)
}

async fn one_pair(rig: &mut Rig, shape: Shape, pairs: &mut Pairs, lags: &mut Vec<f64>) -> anyhow::Result<()> {
    pairs.nginx.push(one(&rig.nginx(), shape).await?.0);
    let (us, tally) = one(&rig.relay(), shape).await?;
    pairs.relay.push(us);
    let ended = Instant::now();
    rig.account(&tally).await?;
    lags.push(ended.elapsed().as_secs_f64());
    Ok(())
}

/// Runs the load on one side; CPU in microseconds per request.
async fn one(side: &Side, shape: Shape) -> anyhow::Result<(f64, Tally)> {
    one_of(side, shape, &request(side, shape.stream, shape.bytes)).await
}

async fn one_of(side: &Side, shape: Shape, request: &[u8]) -> anyhow::Result<(f64, Tally)> {
    let expect = Expect { stream: shape.stream, deltas: shape.deltas };
    let cpu = || side.pid.map_or(Duration::ZERO, kernel::cpu_time);
    let before = cpu();
    let tally = closed(side.address, request, expect, shape.connections, shape.total).await.valid()?;
    let used = cpu().saturating_sub(before);
    Ok((used.as_secs_f64() * 1e6 / tally.good.max(1) as f64, tally))
}
