//! What the kernel says about a process tree: CPU time, memory, and how busy the machine was besides.

use std::fs;
use std::time::Duration;

/// `utime` and `stime` count in hundredths of a second on every Linux that matters (`USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;

/// CPU time that a process and its living children have used, user and system.
pub fn cpu_time(pid: u32) -> Duration {
    let ticks: u64 = tree(pid).into_iter().map(ticks_of).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// CPU time of this process's thread with this name, exact to the nanosecond; `None` when there is none.
pub fn thread_cpu(name: &str) -> Option<Duration> {
    fs::read_dir("/proc/self/task").ok()?.flatten().find_map(|task| {
        let comm = fs::read_to_string(task.path().join("comm")).ok()?;
        let schedstat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let nanos = schedstat.split_whitespace().next()?.parse().ok()?;
        (comm.trim() == name).then(|| Duration::from_nanos(nanos))
    })
}

/// Memory of a process tree, in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident now.
    pub rss_kib: u64,
    /// Proportional share now; 0 when the kernel does not say.
    pub pss_kib: u64,
    /// The most that was ever resident.
    pub peak_kib: u64,
}

/// Memory of a process and its living children.
pub fn memory(pid: u32) -> Memory {
    tree(pid).into_iter().fold(Memory::default(), |sum, pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        Memory {
            rss_kib: sum.rss_kib + field(&status, "VmRSS:"),
            pss_kib: sum.pss_kib + field(&rollup, "Pss:"),
            peak_kib: sum.peak_kib + field(&status, "VmHWM:"),
        }
    })
}

/// CPU time that the whole machine has been busy since it booted, all cores together.
pub fn machine_busy() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks: Vec<u64> =
        stat.lines().next().unwrap_or_default().split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    let idle = ticks.get(3).unwrap_or(&0) + ticks.get(4).unwrap_or(&0);
    let all: u64 = ticks.iter().take(8).sum();
    Duration::from_millis((all - idle) * 1000 / TICKS_PER_SECOND)
}

/// The machine in one line: processor, cores, memory, kernel.
pub fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name")?.split(':').nth(1)).unwrap_or("unknown").trim();
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let gib = field(&memory, "MemTotal:") / 1024 / 1024;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, {gib} GiB, Linux {}", kernel.trim())
}

/// The process and its descendants.
fn tree(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(parent) = all.get(next).copied() {
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        next += 1;
    }
    all
}

fn ticks_of(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The command name may hold spaces: fields count from behind its closing parenthesis.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    number(11) + number(12)
}

/// A number behind a name, as the files under `/proc` write it.
fn field(text: &str, name: &str) -> u64 {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
