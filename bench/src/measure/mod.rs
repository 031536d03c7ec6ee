//! What is measured, one file per kind of figure. Numbers P1 … P15 are those of the README's table.

mod cpu;
mod figure;
mod growth;
mod instructions;
mod latency;
mod memory;
mod ports;
mod rig;
mod routing;
mod start;

pub use figure::{Figure, Judged, median};
pub use rig::{Rig, Size};

/// Every figure that needs the rig and is wanted, in the order of the table.
///
/// # Errors
/// A run with a bad answer, or whose accounting does not match what was served, is void and ends the benchmark.
pub async fn all(rig: &mut Rig, size: Size, wanted: &dyn Fn(&str) -> bool) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    if wanted("P12") {
        figures.extend(start::figures(rig).await?);
    }
    if wanted("P1") {
        figures.extend(cpu::json(rig, size).await?);
    }
    if wanted("P2") {
        figures.push(cpu::streams(rig, size).await?);
    }
    if wanted("P3") {
        figures.push(cpu::large(rig, size).await?);
    }
    if wanted("P4") {
        figures.push(cpu::deltas(rig, size).await?);
    }
    if wanted("P5") {
        figures.extend(latency::requests(rig, size).await?);
    }
    if wanted("P6") {
        figures.push(latency::deltas(rig, size).await?);
    }
    if wanted("P7") {
        figures.push(memory::streams(rig, "P7", 1_000).await?);
    }
    if size.full && wanted("P8") {
        figures.push(memory::streams(rig, "P8", 9_500).await?);
    }
    if wanted("P13") {
        figures.extend(cpu::translated(rig, size).await?);
    }
    if wanted("P15") {
        figures.push(growth::accounts(rig, size).await?);
    }
    Ok(figures)
}

/// Fleet mode against embedded (P11), on stores of its own.
///
/// # Errors
/// When MariaDB or Redis is missing, or the run is void.
pub async fn fleet(
    embedded: &mut Rig,
    binary: &std::path::Path,
    accounts: usize,
    size: Size,
) -> anyhow::Result<Figure> {
    let mut fleet = Rig::fleet(binary, accounts).await?;
    cpu::fleet(embedded, &mut fleet, size).await
}

/// The routing decision (P9): needs no rig, the engine runs in this process.
pub async fn routing(size: Size) -> anyhow::Result<Vec<Figure>> {
    routing::figures(size).await
}

/// Instructions per request under callgrind: not in the table, but the same on a busy machine as on an idle one.
pub async fn instructions(binary: &std::path::Path) -> anyhow::Result<Vec<Figure>> {
    instructions::figures(binary).await
}
