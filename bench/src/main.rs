//! `quotalane-bench`: measures the release binary and prints the table of goals.

#![expect(clippy::print_stdout, reason = "a command line program that prints its result")]

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use bench::measure::{self, Figure, Rig, Size};
use bench::report::{self, Results};
use bench::rig::kernel;
use clap::Parser;
use tokio::time::Instant;

/// The product's own allocator: the routing decision is measured in this process.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures QuotaLane against nginx on this machine.
#[derive(Debug, Parser)]
struct Args {
    /// The release binary to measure.
    #[arg(long, default_value = "target/release/quotalane")]
    binary: PathBuf,
    /// Commit to write into the results.
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// Day to write into the results, YYYY-MM-DD.
    #[arg(long, default_value = "undated")]
    date: String,
    /// Folder of results.
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
    /// Interleaved repetitions.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// A tenth of the requests: a look, not a measurement; writes no file.
    #[arg(long)]
    quick: bool,
    /// Also 9,500 open streams.
    #[arg(long)]
    full: bool,
    /// Accounts in the pool.
    #[arg(long, default_value_t = 16)]
    accounts: usize,
    /// Only these figures (repeatable), such as P1; writes no file.
    #[arg(long)]
    only: Vec<String>,
    /// Count instructions per request under callgrind instead; they do not depend on the machine's mood.
    #[arg(long)]
    instructions: bool,
    /// Compare with the stored results of this commit afterwards.
    #[arg(long)]
    compare: Option<String>,
    /// Also put the table into the READMEs of the working directory.
    #[arg(long)]
    readme: bool,
    /// Print Markdown instead of aligned text.
    #[arg(long)]
    markdown: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(args))
}

async fn run(args: Args) -> anyhow::Result<()> {
    let base = args.compare.as_deref().map(|commit| Results::find(&args.results, commit)).transpose()?;
    pin_load()?;
    let (from, busy) = (Instant::now(), kernel::machine_busy());
    let figures = figures(&args).await?;
    let results = Results {
        date: args.date,
        commit: args.commit,
        machine: kernel::machine(),
        others_percent: others(from, busy),
        figures,
    };
    println!("\n{}", if args.markdown { report::markdown(&results) } else { report::plain(&results) });
    if args.readme {
        report::readme::update(&results)?;
    }
    if let Some(base) = base {
        println!("{}", report::compare(&base, &results));
    }
    if !args.quick && !args.instructions && args.only.is_empty() {
        println!("written to {}", results.write(&args.results)?.display());
    }
    Ok(())
}

async fn figures(args: &Args) -> anyhow::Result<Vec<Figure>> {
    let size = Size { repeats: args.repeats, divide: if args.quick { 10 } else { 1 }, full: args.full };
    let wanted = |id: &str| {
        let yes = args.only.is_empty() || args.only.iter().any(|only| only == id);
        if yes {
            println!("measuring {id}");
        }
        yes
    };
    if args.instructions {
        return measure::instructions(&binary(args)?).await;
    }
    let mut figures = if wanted("P9") { measure::routing(size).await? } else { Vec::new() };
    if args.only.iter().all(|only| only == "P9") && !args.only.is_empty() {
        return Ok(figures);
    }
    let mut rig = Rig::start(&binary(args)?, args.accounts).await?;
    figures.extend(measure::all(&mut rig, size, &wanted).await?);
    if wanted("P11") {
        figures.push(measure::fleet(&mut rig, &binary(args)?, args.accounts, size).await?);
    }
    Ok(figures)
}

fn binary(args: &Args) -> anyhow::Result<PathBuf> {
    args.binary.canonicalize().with_context(|| format!("no binary at {}", args.binary.display()))
}

/// Pins this process, the load, to the core that the mock is on; threads made later inherit it.
fn pin_load() -> anyhow::Result<()> {
    let status = Command::new("taskset").args(["-cp", "1", &std::process::id().to_string()]).output()?.status;
    anyhow::ensure!(status.success(), "taskset failed: two cores are needed");
    Ok(())
}

/// Percent of the machine that neither we nor what we started used. The relay was restarted on the way: what its earlier
/// processes used counts as others', which is under a percent.
fn others(from: Instant, busy_before: std::time::Duration) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).max(2);
    // The mock, nginx and the relay are children of this process: one tree.
    let ours = kernel::cpu_time(std::process::id());
    let busy = kernel::machine_busy().saturating_sub(busy_before);
    let all = from.elapsed().as_secs_f64() * cores as f64;
    100.0 * busy.saturating_sub(ours).as_secs_f64() / all.max(1.0)
}
