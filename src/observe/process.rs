//! `process_*` metrics, read from the kernel at each scrape.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntGauge, Opts, Registry};

/// Clock ticks per second of Linux on every architecture that we ship for.
const TICKS: f64 = 100.0;
/// Bytes of a page there.
const PAGE: i64 = 4_096;

/// Reads `/proc/self`; on other systems every value stays 0.
struct Process {
    cpu: Gauge,
    resident: IntGauge,
    virtual_bytes: IntGauge,
    open_files: IntGauge,
    max_files: IntGauge,
    threads: IntGauge,
    start: Gauge,
}

/// Registers the process's metrics. `started_at` is its start in Unix seconds.
pub fn register(registry: &Registry, started_at: f64) -> prometheus::Result<()> {
    let int = |name: &str, help: &str| IntGauge::with_opts(Opts::new(name, help));
    let process = Process {
        cpu: Gauge::with_opts(Opts::new("process_cpu_seconds_total", "CPU time, user and system"))?,
        resident: int("process_resident_memory_bytes", "Resident memory")?,
        virtual_bytes: int("process_virtual_memory_bytes", "Virtual memory")?,
        open_files: int("process_open_fds", "Open file descriptors")?,
        max_files: int("process_max_fds", "Most file descriptors")?,
        threads: int("process_threads", "Threads")?,
        start: Gauge::with_opts(Opts::new("process_start_time_seconds", "Start, Unix seconds"))?,
    };
    process.start.set(started_at);
    registry.register(Box::new(process))
}

/// The most files that this process may open; 0 when unknown.
pub fn max_open_files() -> i64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    line.and_then(|line| line.split_whitespace().nth(3)).and_then(|n| n.parse().ok()).unwrap_or(0)
}

impl Process {
    fn read(&self) {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let Some((_, fields)) = stat.rsplit_once(") ") else { return };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|f| f.parse::<i64>().ok()).unwrap_or(0);
        let ticks = u32::try_from(number(11) + number(12)).unwrap_or(u32::MAX);
        self.cpu.set(f64::from(ticks) / TICKS);
        self.threads.set(number(17));
        self.virtual_bytes.set(number(20));
        self.resident.set(number(21).saturating_mul(PAGE));
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.open_files.set(i64::try_from(open).unwrap_or(0));
        self.max_files.set(max_open_files());
    }

    fn gauges(&self) -> [&dyn Collector; 7] {
        [&self.cpu, &self.resident, &self.virtual_bytes, &self.open_files, &self.max_files, &self.threads, &self.start]
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.read();
        self.gauges().into_iter().flat_map(Collector::collect).collect()
    }
}
