//! The tables of the write-up: a row per policy, means over seeds with 95 % intervals.

use std::collections::BTreeMap;

use crate::figures::{Figures, interval};
use crate::policy::Policy;
use crate::scenario::Scenario;

type Column = (&'static str, usize, fn(&Figures) -> f64);

const COLUMNS: [Column; 13] = [
    ("served %", 2, |f| 100.0 * f.served_part()),
    ("refused ‰", 1, |f| f.refused_per_1000()),
    ("429 met ‰", 1, |f| f.limited_per_1000()),
    ("failed ‰", 1, |f| f.failed_per_1000()),
    ("evenness", 3, |f| f.evenness),
    ("dry %", 1, |f| 100.0 * f.dry),
    ("driest %", 1, |f| 100.0 * f.dry_most),
    ("all dry %", 2, |f| 100.0 * f.all_dry),
    ("first dry h", 1, |f| f.first_dry_h),
    ("cache kept %", 2, |f| 100.0 * f.kept_part()),
    ("cached %", 2, |f| 100.0 * f.cached_part()),
    ("tokens/turn", 0, |f| f.cost_per_turn),
    ("wait p99 ms", 0, |f| f.wait_p99),
];

/// One table.
pub fn print(scenario: &Scenario, runs: &BTreeMap<Policy, Vec<Figures>>) {
    println!("\n### {}\n", scenario.name);
    let names: Vec<&str> = COLUMNS.iter().map(|(name, ..)| *name).collect();
    println!("| policy | {} |", names.join(" | "));
    println!("|---|{}", "---:|".repeat(COLUMNS.len()));
    for (policy, figures) in runs {
        let cells: Vec<String> = COLUMNS.iter().map(|column| cell(column, figures)).collect();
        println!("| {} | {} |", policy.name(), cells.join(" | "));
    }
    let Some(base) = runs.get(&Policy::Headroom) else { return };
    println!("\nServed by headroom beyond the others, in points, seed by seed:");
    for (policy, figures) in runs.iter().filter(|(policy, _)| **policy != Policy::Headroom) {
        let more = base.iter().zip(figures).map(|(a, b)| 100.0 * (a.served_part() - b.served_part()));
        let (mean, half) = interval(&more.collect::<Vec<f64>>());
        println!("- {}: {mean:+.2} ± {half:.2}", policy.name());
    }
}

fn cell((_, digits, value): &Column, figures: &[Figures]) -> String {
    let (mean, half) = interval(&figures.iter().map(value).collect::<Vec<f64>>());
    if figures.len() < 2 {
        return format!("{mean:.digits$}");
    }
    format!("{mean:.digits$} ± {half:.digits$}")
}
