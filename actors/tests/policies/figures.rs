//! What a run is judged by, and the arithmetic of several runs.

/// The figures of one run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Turns that clients wanted, got, and gave up.
    pub planned: u64,
    pub served: u64,
    pub given_up: u64,
    /// Answers without an account that clients saw.
    pub refused: u64,
    /// Calls of upstreams, and those that met a limit or an illness.
    pub calls: u64,
    pub limited: u64,
    pub failed: u64,
    /// Jain's index of the parts of their capacity that accounts were used for over the run; 1 = all alike.
    pub evenness: f64,
    /// Part of the time that an account was dry, on average over accounts; and that the first and the last were.
    pub dry: f64,
    pub dry_most: f64,
    pub all_dry: f64,
    /// Hour at which the first account ran dry; the length of the run if none did.
    pub first_dry_h: f64,
    /// Turns that could have found their prompt cached, and those that went where it was.
    pub warm: u64,
    pub kept: u64,
    /// Tokens of prompts that were read from a cache.
    pub cached: i64,
    pub input: i64,
    /// Capacity used for each served turn, in tokens.
    pub cost_per_turn: f64,
    /// From the first question to the account that served, in milliseconds.
    pub wait_p50: f64,
    pub wait_p99: f64,
    pub leases_open: u64,
}

impl Figures {
    fn part(a: u64, b: u64) -> f64 {
        if b == 0 { 0.0 } else { a as f64 / b as f64 }
    }

    pub fn served_part(&self) -> f64 {
        Self::part(self.served, self.planned)
    }

    pub fn refused_per_1000(&self) -> f64 {
        1_000.0 * Self::part(self.refused, self.planned)
    }

    pub fn limited_per_1000(&self) -> f64 {
        1_000.0 * Self::part(self.limited, self.planned)
    }

    pub fn failed_per_1000(&self) -> f64 {
        1_000.0 * Self::part(self.failed, self.planned)
    }

    pub fn kept_part(&self) -> f64 {
        Self::part(self.kept, self.warm)
    }

    pub fn cached_part(&self) -> f64 {
        if self.input == 0 { 0.0 } else { self.cached as f64 / self.input as f64 }
    }
}

/// Jain's fairness index: 1 when all are alike, 1/n when one has everything.
pub fn jain(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().sum();
    let squares: f64 = values.iter().map(|v| v * v).sum();
    (squares > 0.0).then(|| sum * sum / (values.len() as f64 * squares))
}

/// The value below which this part of the sorted list lies.
pub fn percentile(sorted: &[i64], part: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    sorted[((last as f64) * part).round() as usize] as f64
}

/// Mean and half of its 95 % confidence interval (Student).
pub fn interval(values: &[f64]) -> (f64, f64) {
    const STUDENT: [f64; 20] = [
        0.0, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093,
    ];
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return (mean, 0.0);
    }
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0);
    let t = STUDENT.get(values.len() - 1).copied().unwrap_or(1.96);
    (mean, t * (variance / n).sqrt())
}
