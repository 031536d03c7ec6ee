//! The worked scores of `scheduling.md` §7.

use crate::account::view::AccountView;
use crate::domain::limit::SlidingWindow;
use crate::domain::money::{Nanos, USD};
use crate::domain::settings::Settings;
use crate::domain::time::{DAY, HOUR, MINUTE, Timestamp};
use crate::domain::window::WindowKind::{FiveHour, SevenDay};
use crate::scheduler::headroom::Dimension::{BudgetDay, Concurrency, Rpm, Tpm, Vendor5h, Vendor7d};
use crate::scheduler::headroom::{Dimension, HeadroomContext, headroom};

use super::{T0, view, window};
use std::sync::Arc;

fn used(limit: i64, used: i64) -> Option<SlidingWindow> {
    let mut window = SlidingWindow::new(MINUTE, limit);
    window.add(T0.0, used);
    Some(window)
}

fn score(view: &AccountView, now: Timestamp) -> (i64, Option<Dimension>) {
    let settings = Settings::default();
    let found = headroom(view, &HeadroomContext::general(now, &settings));
    (found.ppm, found.bottleneck)
}

#[test]
fn the_worked_scores_hold() {
    let e1 = view(1, |_, v| {
        (v.slots_used, v.rpm, v.tpm, v.health) = (3, used(60, 45), used(100_000, 40_000), 90);
    });
    let e2 = view(2, |s, v| {
        (s.max_concurrency, v.slots_used) = (8, 2);
        v.windows = Arc::new([window(FiveHour, 600_000, HOUR), window(SevenDay, 800_000, 84 * HOUR)]);
    });
    let e3 = view(1, |_, v| v.windows = Arc::new([window(FiveHour, 990_000, 3 * MINUTE)]));
    let e4 = view(1, |_, v| v.windows = Arc::new([window(FiveHour, 400_000, 4 * HOUR)]));
    let e5 = view(1, |s, v| {
        (s.max_concurrency, s.daily_budget) = (0, Nanos(20 * USD));
        (v.budget_used, v.budget_resets_at) = (Nanos(12_500_000_000), T0.plus(6 * HOUR));
    });
    let e6 = view(1, |s, v| (s.max_concurrency, v.slots_used, v.health) = (3, 1, 77));
    let e7 = view(1, |_, v| v.tpm = used(120_000, 94_000));
    let e8 = view(1, |_, v| v.windows = Arc::new([window(SevenDay, 415_000, 100 * HOUR)]));
    let e9 = view(1, |_, v| v.windows = Arc::new([window(FiveHour, 1_020_000, -1)]));
    let e10 = view(1, |_, v| {
        let mut stale = window(SevenDay, 900_000, 3 * DAY);
        stale.observed_at = T0.plus(-9 * HOUR);
        v.windows = Arc::new([stale]);
    });
    let e10b = view(1, |_, v| v.windows = Arc::new([window(FiveHour, 900_000, 9 * HOUR)]));
    let e11 = view(1, |s, v| (s.max_concurrency, v.health) = (0, 45));
    let cases = [
        ("E1", e1, 225_000, Some(Rpm)),
        ("E2", e2, 400_000, Some(Vendor7d)),
        ("E3", e3, 200_000, Some(Vendor5h)),
        ("E4", e4, 750_000, Some(Vendor5h)),
        ("E5", e5, 1_000_000, Some(BudgetDay)),
        ("E6", e6, 513_332, Some(Concurrency)),
        ("E7", e7, 216_666, Some(Tpm)),
        ("E8", e8, 982_800, Some(Vendor7d)),
        ("E9", e9, 1_000_000, Some(Concurrency)),
        ("E10", e10, 1_000_000, Some(Concurrency)),
        ("E10b", e10b, 100_000, Some(Vendor5h)),
        ("E11", e11, 450_000, None),
    ];
    for (name, view, ppm, bottleneck) in cases {
        assert_eq!(score(&view, T0), (ppm, bottleneck), "{name}");
    }
}
