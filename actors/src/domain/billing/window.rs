//! Windows of a plan's caps that step through a subscription period (`billing.md` §4).

use super::fraction::Fraction;
use super::plan::LastWindow;
use crate::domain::time::{DAY, SECOND, Timestamp};

/// One window of a cap, and the limit that holds in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// First moment.
    pub start: Timestamp,
    /// First moment of the next one.
    pub end: Timestamp,
    /// What may be used.
    pub limit: i64,
}

/// The 7-day or 30-day window of a period that contains `at`, which must lie in the period. Windows step from the start of
/// the period in whole days; one that would cross its end is not opened: the one before it goes on to the end
/// (`extend_last`), or a short one opens with a part of the limit, rounded down (`prorate_last`).
pub fn plan_window(period: (Timestamp, Timestamp), days: i64, limit: i64, last: LastWindow, at: Timestamp) -> Stretch {
    let (start, end) = period;
    let length = days.max(1).saturating_mul(DAY);
    let whole = (end.since(start) / length).max(0);
    let index = (at.since(start) / length).clamp(0, whole);
    let open = |index: i64| start.plus(index.saturating_mul(length));
    if whole == 0 {
        return Stretch { start, end, limit: part(limit, start, end, length, last) };
    }
    if index < whole {
        let is_last = index == whole - 1 && last == LastWindow::ExtendLast;
        return Stretch { start: open(index), end: if is_last { end } else { open(index + 1) }, limit };
    }
    match last {
        LastWindow::ExtendLast => Stretch { start: open(whole - 1), end, limit },
        LastWindow::ProrateLast => {
            let start = open(whole);
            Stretch { start, end, limit: part(limit, start, end, length, last) }
        }
    }
}

fn part(limit: i64, start: Timestamp, end: Timestamp, length: i64, last: LastWindow) -> i64 {
    match last {
        LastWindow::ExtendLast => limit,
        LastWindow::ProrateLast => Fraction::of(end.since(start) / SECOND, length / SECOND).floor_of(limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: i64 = 10_000_000_000;

    fn day(n: i64) -> Timestamp {
        Timestamp(n * DAY)
    }

    #[test]
    fn the_last_window_is_extended_or_cut() {
        let period = (day(0), day(30));
        let window = |last, at| plan_window(period, 7, TEN, last, at);
        assert_eq!(window(LastWindow::ExtendLast, day(8)), Stretch { start: day(7), end: day(14), limit: TEN });
        let extended = Stretch { start: day(21), end: day(30), limit: TEN };
        assert_eq!(window(LastWindow::ExtendLast, day(22)), extended);
        assert_eq!(window(LastWindow::ExtendLast, day(29)), extended);
        assert_eq!(window(LastWindow::ProrateLast, day(27)), Stretch { start: day(21), end: day(28), limit: TEN });
        let short = Stretch { start: day(28), end: day(30), limit: 2_857_142_857 };
        assert_eq!(window(LastWindow::ProrateLast, day(28)), short);
        let whole = plan_window(period, 30, TEN, LastWindow::ProrateLast, day(29));
        assert_eq!(whole, Stretch { start: day(0), end: day(30), limit: TEN });
        let tiny = plan_window((day(0), day(2)), 7, TEN, LastWindow::ProrateLast, day(1));
        assert_eq!(tiny, Stretch { start: day(0), end: day(2), limit: 2_857_142_857 });
    }
}
