//! Instructions per request, counted by valgrind's callgrind. Two runs of different length are subtracted, so that start,
//! set-up and warm-up cancel out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use super::Figure;
use super::rig::{Side, everything_on, request};
use crate::load::{Expect, closed};
use crate::rig::mock::{Mock, Script};
use crate::rig::relay::{Plan, Relay};

/// Requests of the short and of the long run.
const RUNS: [u64; 2] = [500, 1_500];

/// Thousands of instructions per JSON request and per stream of 20 deltas.
pub async fn figures(binary: &Path) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (stream, what) in
        [(false, "instructions per JSON request, 1 KB"), (true, "instructions per stream of 20 deltas")]
    {
        let mut totals = Vec::new();
        for requests in RUNS {
            totals.push(one(binary, stream, requests).await?);
        }
        let each = (totals[1] - totals[0]) / (RUNS[1] - RUNS[0]) as f64 / 1_000.0;
        figures.push(Figure::new("I", what, "k", vec![each], None));
    }
    Ok(figures)
}

/// All instructions of a relay that starts, serves and stops.
async fn one(binary: &Path, stream: bool, requests: u64) -> anyhow::Result<f64> {
    let dir = tempfile::tempdir()?;
    let mock = Mock::start(binary, dir.path(), None, false).await?;
    mock.script(Script { delay_ms: 0, events: 20 }).await?;
    let mut plan = Plan::embedded(binary, &dir.path().join("relay"))?;
    // Kept for `callgrind_annotate`; the newest run of each kind wins.
    let kind = if stream { "stream" } else { "json" };
    let out = std::env::temp_dir().join(format!("quotalane-callgrind-{kind}.out"));
    let file = format!("--callgrind-out-file={}", out.display());
    plan.under = ["valgrind", "--tool=callgrind", &file].map(str::to_owned).to_vec();
    plan.set("QUOTALANE_SERVER__WORKERS", "1");
    let (mut relay, _) = Relay::start(plan, Duration::from_secs(120)).await?;
    relay.add_account("bench", "sk-ant-api03-bench", mock.address).await?;
    let key = relay.add_key(&everything_on()).await?;
    let side = Side { address: relay.plan.listen, pid: None, key };
    let expect = Expect { stream, deltas: stream.then_some(20) };
    closed(side.address, &request(&side, stream, 1024), expect, 8, requests).await.valid()?;
    relay.process.signal("TERM")?;
    relay.process.ended_within(Duration::from_secs(120)).await?;
    total(&out)
}

/// The `totals:` line of a callgrind file.
fn total(file: &PathBuf) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(file)?;
    let line =
        text.lines().find_map(|line| line.strip_prefix("totals: ")).context("no totals in the callgrind file")?;
    Ok(line.split_whitespace().next().context("an empty total")?.parse()?)
}
