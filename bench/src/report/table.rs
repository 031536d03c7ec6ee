//! The table, for a terminal and for the README.

use std::fmt::Write;

use crate::measure::{Figure, Judged};

use super::Results;

/// Aligned text.
pub fn plain(results: &Results) -> String {
    let mut out = header(results);
    let _ = writeln!(out, "{:<4} {:<54} {:>11} {:>9} {:>10}  goal", "", "", "QuotaLane", "nginx", "compared");
    for figure in &results.figures {
        let nginx = figure.nginx.map(number).unwrap_or_default();
        let value = format!("{} {}", number(figure.value), figure.unit);
        let _ = writeln!(
            out,
            "{:<4} {:<54} {value:>11} {nginx:>9} {:>10}  {:<14} {}",
            figure.id,
            figure.what,
            compared(figure),
            goal(figure),
            figure.verdict()
        );
    }
    out
}

/// A Markdown table.
pub fn markdown(results: &Results) -> String {
    let mut out = header(results);
    out.push_str("\n| # | What | QuotaLane | nginx | Compared | Goal | |\n|---|---|---|---|---|---|---|\n");
    for figure in &results.figures {
        let nginx = figure.nginx.map(|value| format!("{} {}", number(value), figure.unit)).unwrap_or_default();
        let _ = writeln!(
            out,
            "| {} | {} | {} {} | {nginx} | {} | {} | {} |",
            figure.id,
            figure.what,
            number(figure.value),
            figure.unit,
            compared(figure),
            goal(figure),
            figure.verdict()
        );
    }
    out
}

fn header(results: &Results) -> String {
    format!(
        "Commit {}, {}, on {}; other programs used {:.0} % of the machine meanwhile.\n",
        results.commit, results.date, results.machine, results.others_percent
    )
}

fn compared(figure: &Figure) -> String {
    match figure.judged {
        Judged::RatioToNginx => format!("{:.2} ×", figure.compared()),
        Judged::AboveNginx => format!("{:+.2} {}", figure.compared(), figure.unit),
        Judged::AtMost | Judged::AtLeast | Judged::No => String::new(),
    }
}

fn goal(figure: &Figure) -> String {
    match figure.judged {
        Judged::RatioToNginx => format!("≤ {} × nginx", number(figure.goal)),
        Judged::AboveNginx => format!("≤ nginx + {}", number(figure.goal)),
        Judged::AtMost => format!("≤ {}", number(figure.goal)),
        Judged::AtLeast => format!("≥ {}", number(figure.goal)),
        Judged::No => String::new(),
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
