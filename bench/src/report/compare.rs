//! Two results side by side.

use std::fmt::Write;

use super::Results;

/// A change of less than this share is noise on a shared machine.
const NOISE: f64 = 0.05;

/// What changed from `base` to `now`, figure by figure. Ratios to nginx are compared where there are any, since absolute
/// times of two runs are not comparable.
pub fn compare(base: &Results, now: &Results) -> String {
    let mut out = format!("{} ({}) → {} ({})\n", base.commit, base.date, now.commit, now.date);
    for figure in &now.figures {
        let Some(before) = base.figures.iter().find(|f| f.id == figure.id && f.what == figure.what) else { continue };
        let (was, is) = (before.compared(), figure.compared());
        let change = if was.abs() > f64::EPSILON { (is - was) / was } else { 0.0 };
        let mark = if change.abs() < NOISE { "" } else { "  *" };
        let _ = writeln!(
            out,
            "{:<4} {:<54} {was:>10.2} → {is:>10.2}  {:>+6.1} %{mark}",
            figure.id,
            figure.what,
            change * 100.0
        );
    }
    out
}
