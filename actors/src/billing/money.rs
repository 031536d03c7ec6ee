//! The money windows of one key: used, held, and what still fits.

use super::windows::{Bounds, Calendar};
use crate::domain::key::{CostWindow, Spent};
use crate::domain::money::Nanos;
use crate::domain::time::Timestamp;

/// Start of each money window that a hold counts in, by `CostWindow as usize`.
pub(super) type Starts = [Option<Timestamp>; CostWindow::ALL.len()];

/// One window: the last one opened, its charges and its reservations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cap {
    pub(super) bounds: Option<Bounds>,
    pub(super) used: Nanos,
    pub(super) held: Nanos,
}

/// Every window of a key, by `CostWindow as usize`. Windows without a limit count too, so that a limit set later knows
/// what was spent.
#[derive(Debug, Clone, Default)]
pub(super) struct Money {
    caps: [Cap; CostWindow::ALL.len()],
}

impl Money {
    /// What was stored about a key that is seen for the first time. Windows that have ended are forgotten.
    pub(super) fn of(spent: &[Spent], calendar: Calendar, now: Timestamp) -> Self {
        let mut money = Self::default();
        for spent in spent {
            let bounds = calendar.bounds(spent.window, spent.start);
            let bounds = Bounds { start: spent.start, end: bounds.end };
            let Some(cap) = money.caps.get_mut(spent.window as usize).filter(|_| bounds.contains(now)) else {
                continue;
            };
            let newest = cap.bounds.map_or(bounds, |known| if known.start > bounds.start { known } else { bounds });
            *cap = Cap { bounds: Some(newest), used: cap.used.saturating_add(spent.used), held: Nanos::ZERO };
        }
        money
    }

    /// The window as it is now: empty when the last one has ended.
    pub(super) fn now(&self, window: CostWindow, now: Timestamp) -> Cap {
        let cap = self.caps.get(window as usize).copied().unwrap_or_default();
        if cap.bounds.is_some_and(|bounds| bounds.contains(now)) { cap } else { Cap::default() }
    }

    /// True when nothing is left to remember.
    pub(super) fn is_empty(&self, now: Timestamp) -> bool {
        CostWindow::ALL.into_iter().all(|window| {
            let cap = self.now(window, now);
            cap.used == Nanos::ZERO && cap.held == Nanos::ZERO
        })
    }

    /// The first window, in reporting order, whose limit has no room for `amount`.
    pub(super) fn without_room(
        &self,
        limits: &[(CostWindow, Nanos)],
        windows: impl Iterator<Item = CostWindow>,
        amount: Nanos,
        now: Timestamp,
    ) -> Option<CostWindow> {
        let limit_of = |window| limits.iter().find(|(w, limit)| *w == window && limit.0 > 0).map(|(_, limit)| *limit);
        windows.filter(|_| amount.0 > 0).find(|window| {
            let cap = self.now(*window, now);
            limit_of(*window).is_some_and(|limit| cap.used.saturating_add(cap.held).saturating_add(amount) > limit)
        })
    }

    /// Reserves `amount`, which the caller has checked; opens windows that have ended. Returns their starts.
    pub(super) fn hold(
        &mut self,
        windows: impl Iterator<Item = CostWindow>,
        amount: Nanos,
        calendar: Calendar,
        now: Timestamp,
    ) -> Starts {
        let mut starts = Starts::default();
        for window in windows {
            let (Some(cap), Some(start)) = (self.caps.get_mut(window as usize), starts.get_mut(window as usize)) else {
                continue;
            };
            let live = cap.bounds.filter(|bounds| bounds.contains(now));
            let bounds = live.unwrap_or_else(|| calendar.bounds(window, now));
            if live.is_none() {
                *cap = Cap { bounds: Some(bounds), ..Cap::default() };
            }
            cap.held = cap.held.saturating_add(amount);
            *start = Some(bounds.start);
        }
        starts
    }

    /// Frees `held` and books `charge` in the windows of a hold. A window that has been succeeded by the next one limits
    /// nothing any more; its amounts live on in SQL.
    pub(super) fn resolve(&mut self, starts: &Starts, held: Nanos, charge: Nanos) {
        for (cap, start) in self.caps.iter_mut().zip(starts) {
            if start.is_some() && cap.bounds.map(|bounds| bounds.start) == *start {
                cap.held = Nanos(cap.held.saturating_sub(held).0.max(0));
                cap.used = cap.used.saturating_add(charge);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::{DAY, HOUR};

    const CALENDAR: Calendar = Calendar { zone: chrono_tz::Tz::UTC, weekly_reset_day: 1, weekly_reset_hour: 0 };
    const NOW: Timestamp = Timestamp(20_000 * DAY + 6 * HOUR);

    fn all() -> impl Iterator<Item = CostWindow> {
        CostWindow::ALL.into_iter()
    }

    #[test]
    fn stored_amounts_count_only_in_windows_that_still_last() {
        let spent = |window, start, used| Spent { window, start, used: Nanos(used) };
        let money = Money::of(
            &[
                spent(CostWindow::Total, Timestamp(0), 100),
                spent(CostWindow::Day, Timestamp(20_000 * DAY), 7),
                spent(CostWindow::Day, Timestamp(19_999 * DAY), 50),
                spent(CostWindow::FiveHour, NOW.plus(-4 * HOUR), 3),
                spent(CostWindow::FiveHour, NOW.plus(-9 * HOUR), 90),
            ],
            CALENDAR,
            NOW,
        );
        let used = |window| money.now(window, NOW).used.0;
        assert_eq!((used(CostWindow::Total), used(CostWindow::Day), used(CostWindow::FiveHour)), (100, 7, 3));
        assert_eq!(money.now(CostWindow::FiveHour, NOW.plus(HOUR)).used.0, 0);
        assert!(!money.is_empty(NOW));
        assert!(Money::default().is_empty(NOW));
    }

    #[test]
    fn five_hours_begin_at_the_first_use_and_again_at_the_first_use_after_them() {
        let mut money = Money::default();
        let window = CostWindow::FiveHour;
        let open = |money: &mut Money, now| {
            money.hold([window].into_iter(), Nanos(1), CALENDAR, now)[window as usize].unwrap()
        };
        assert_eq!(open(&mut money, NOW), NOW);
        assert_eq!(open(&mut money, NOW.plus(5 * HOUR - 1)), NOW);
        assert_eq!(open(&mut money, NOW.plus(7 * HOUR)), NOW.plus(7 * HOUR));
    }

    #[test]
    fn a_hold_settles_in_its_own_window_after_the_window_has_rolled() {
        let mut money = Money::default();
        let late = Timestamp(20_001 * DAY - 1);
        let starts = money.hold(all(), Nanos(10), CALENDAR, late);
        let next = late.plus(1);
        let second = money.hold(all(), Nanos(5), CALENDAR, next);
        money.resolve(&starts, Nanos(10), Nanos(8));
        let day = money.now(CostWindow::Day, next);
        assert_eq!((day.used.0, day.held.0), (0, 5));
        let total = money.now(CostWindow::Total, next);
        assert_eq!((total.used.0, total.held.0), (8, 5));
        money.resolve(&second, Nanos(5), Nanos(6));
        assert_eq!(money.now(CostWindow::Day, next).used.0, 6);
    }

    #[test]
    fn the_first_window_without_room_is_reported_and_zero_is_no_limit() {
        let mut money = Money::default();
        money.hold(all(), Nanos(90), CALENDAR, NOW);
        let limits = [(CostWindow::Day, Nanos(100)), (CostWindow::Month, Nanos(100)), (CostWindow::Total, Nanos(0))];
        let full = |amount| money.without_room(&limits, all(), Nanos(amount), NOW);
        assert_eq!((full(10), full(11), full(0)), (None, Some(CostWindow::Month), None));
    }
}
