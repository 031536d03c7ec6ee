//! What is measured, one file per kind of figure. Numbers P1 … P15 are those of the README's table.

mod cpu;
mod figure;
mod growth;
mod latency;
mod memory;
mod rig;
mod routing;
mod start;

pub use figure::{Figure, Judged, median};
pub use rig::{Rig, Size};

/// Every figure, in the order of the table.
///
/// # Errors
/// A run with a bad answer, or whose accounting does not match what was served, is void and ends the benchmark.
pub async fn all(rig: &mut Rig, size: Size, say: &dyn Fn(&str)) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    say("P12 idle memory and start");
    figures.extend(start::figures(rig).await?);
    say("P1 P10 P14 JSON requests");
    figures.extend(cpu::json(rig, size).await?);
    say("P2 streams of 20 deltas");
    figures.push(cpu::streams(rig, size).await?);
    say("P3 requests of 128 KB");
    figures.push(cpu::large(rig, size).await?);
    say("P4 slow streams, CPU per delta");
    figures.push(cpu::deltas(rig, size).await?);
    say("P5 added latency");
    figures.extend(latency::requests(rig, size).await?);
    say("P6 added delay per delta");
    figures.push(latency::deltas(rig, size).await?);
    say("P7 memory of 1,000 slow streams");
    figures.push(memory::streams(rig, "P7", 1_000).await?);
    if size.full {
        say("P8 9,500 streams");
        figures.push(memory::streams(rig, "P8", 9_500).await?);
    }
    say("P9 routing decision");
    figures.extend(routing::figures(size).await?);
    say("P15 1,000 accounts and keys");
    figures.push(growth::accounts(rig, size).await?);
    Ok(figures)
}
