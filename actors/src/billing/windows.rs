//! Where the money windows of a key begin and end, in the site's zone (`access.md` §7, `billing.md` §4). Pure.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::domain::key::{CostWindow, KeyPolicy};
use crate::domain::time::{HOUR, Timestamp};

/// Length of the window that starts at first use.
const FIVE_HOURS: i64 = 5 * HOUR;
/// A local time that a clock change skips moves forward in steps of this to the first one that exists.
const GAP_STEP: TimeDelta = TimeDelta::minutes(15);
/// The longest skip on record is a whole day.
const GAP_STEPS: usize = 26 * 4;

/// One window: from `start` until `end`, exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// First moment; [`Timestamp`] 0 for `Total`.
    pub start: Timestamp,
    /// First moment of the next window; `None` = never.
    pub end: Option<Timestamp>,
}

impl Bounds {
    /// True while the window lasts.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && self.end.is_none_or(|end| at < end)
    }
}

/// What the anchors of a key's windows depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    /// The site's zone.
    pub zone: Tz,
    /// 1 = Monday … 7 = Sunday.
    pub weekly_reset_day: u8,
    /// 0 to 23, in the zone.
    pub weekly_reset_hour: u8,
}

impl Calendar {
    /// The calendar of a key.
    pub fn of(zone: Tz, key: &KeyPolicy) -> Self {
        Self { zone, weekly_reset_day: key.weekly_reset_day, weekly_reset_hour: key.weekly_reset_hour }
    }

    /// The window that contains `at`; for `FiveHour` the one that a first use at `at` opens. Days, weeks and months follow
    /// the zone's clock, so a day has 23 to 25 hours where it changes.
    pub fn bounds(&self, window: CostWindow, at: Timestamp) -> Bounds {
        match window {
            CostWindow::Total => Bounds { start: Timestamp(0), end: None },
            CostWindow::FiveHour => Bounds { start: at, end: Some(at.plus(FIVE_HOURS)) },
            CostWindow::Day => self.dated(at, 0, |date| Some((date, date.succ_opt()?))),
            CostWindow::Month => self.dated(at, 0, |date| {
                let first = date.with_day(1)?;
                Some((first, first.checked_add_months(Months::new(1))?))
            }),
            CostWindow::Week | CostWindow::WeekClaude => self.week(at),
        }
    }

    fn week(&self, at: Timestamp) -> Bounds {
        let anchor = u64::from(self.weekly_reset_day.clamp(1, 7));
        let dates = |date: NaiveDate, back: u64| {
            let start = date.checked_sub_days(Days::new(back))?;
            Some((start, start.checked_add_days(Days::new(7))?))
        };
        let days_since = |date: NaiveDate| (u64::from(date.weekday().number_from_monday()) + 7 - anchor) % 7;
        let this = self.dated(at, self.weekly_reset_hour, |date| dates(date, days_since(date)));
        if this.start <= at {
            return this;
        }
        self.dated(at, self.weekly_reset_hour, |date| dates(date, days_since(date) + 7))
    }

    /// The window whose first and next first date `dates` finds for the local date of `at`. A date out of the calendar's
    /// range never ends.
    fn dated(&self, at: Timestamp, hour: u8, dates: impl Fn(NaiveDate) -> Option<(NaiveDate, NaiveDate)>) -> Bounds {
        let bounds = || {
            let local = DateTime::from_timestamp_millis(at.0)?.with_timezone(&self.zone);
            let (first, next) = dates(local.date_naive())?;
            Some(Bounds { start: self.instant(first, hour)?, end: Some(self.instant(next, hour)?) })
        };
        bounds().unwrap_or(Bounds { start: Timestamp(0), end: None })
    }

    /// The moment of a local time: the first of two, or the first that exists after a gap.
    fn instant(&self, date: NaiveDate, hour: u8) -> Option<Timestamp> {
        let local = date.and_time(NaiveTime::from_hms_opt(u32::from(hour.min(23)), 0, 0)?);
        let exists = |time: NaiveDateTime| self.zone.from_local_datetime(&time).earliest();
        let times = std::iter::successors(Some(local), |time| time.checked_add_signed(GAP_STEP));
        let found = times.take(GAP_STEPS).find_map(exists)?;
        Some(Timestamp(found.with_timezone(&Utc).timestamp_millis()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::time::DAY;

    fn at(text: &str) -> Timestamp {
        Timestamp(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    fn calendar(zone: Tz) -> Calendar {
        Calendar { zone, weekly_reset_day: 1, weekly_reset_hour: 0 }
    }

    fn check(calendar: Calendar, window: CostWindow, now: &str, start: &str, end: &str) {
        let bounds = calendar.bounds(window, at(now));
        assert_eq!(
            (bounds.start.to_rfc3339(), bounds.end.unwrap().to_rfc3339()),
            (at(start).to_rfc3339(), at(end).to_rfc3339()),
            "{now}"
        );
    }

    #[test]
    fn days_have_23_or_25_hours_where_the_clock_changes() {
        let berlin = calendar(Tz::Europe__Berlin);
        let day = CostWindow::Day;
        check(berlin, day, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        check(berlin, day, "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        check(berlin, day, "2026-07-01T21:59:59Z", "2026-06-30T22:00:00Z", "2026-07-01T22:00:00Z");
        check(berlin, day, "2026-07-01T22:00:00Z", "2026-07-01T22:00:00Z", "2026-07-02T22:00:00Z");
        check(
            calendar(Tz::Asia__Shanghai),
            day,
            "2026-01-01T15:59:59Z",
            "2025-12-31T16:00:00Z",
            "2026-01-01T16:00:00Z",
        );
    }

    #[test]
    fn a_midnight_that_does_not_exist_is_the_first_moment_after_it() {
        let cairo = calendar(Tz::Africa__Cairo);
        check(cairo, CostWindow::Day, "2026-04-24T10:00:00Z", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z");
        let apia = calendar(Tz::Pacific__Apia);
        check(apia, CostWindow::Day, "2011-12-30T09:00:00Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z");
    }

    #[test]
    fn weeks_start_at_their_own_day_and_hour() {
        let utc = calendar(Tz::UTC);
        let week = CostWindow::Week;
        check(utc, week, "2025-12-29T00:00:00Z", "2025-12-29T00:00:00Z", "2026-01-05T00:00:00Z");
        check(utc, week, "2026-01-04T23:59:59Z", "2025-12-29T00:00:00Z", "2026-01-05T00:00:00Z");
        // ISO week 53 of 2026.
        check(utc, week, "2027-01-03T12:00:00Z", "2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z");
        let friday = Calendar { weekly_reset_day: 5, weekly_reset_hour: 18, ..calendar(Tz::America__New_York) };
        check(friday, week, "2026-11-06T22:59:59Z", "2026-10-30T22:00:00Z", "2026-11-06T23:00:00Z");
        check(friday, CostWindow::WeekClaude, "2026-11-06T23:00:00Z", "2026-11-06T23:00:00Z", "2026-11-13T23:00:00Z");
    }

    #[test]
    fn months_end_with_their_last_day() {
        let utc = calendar(Tz::UTC);
        let month = CostWindow::Month;
        check(utc, month, "2028-02-29T23:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z");
        check(utc, month, "2027-01-31T09:30:00Z", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z");
        check(utc, month, "2027-12-31T23:59:59Z", "2027-12-01T00:00:00Z", "2028-01-01T00:00:00Z");
        check(calendar(Tz::Asia__Tokyo), month, "2027-01-31T15:00:00Z", "2027-01-31T15:00:00Z", "2027-02-28T15:00:00Z");
    }

    proptest! {
        #[test]
        fn windows_of_a_kind_follow_each_other_without_a_gap(
            ms in 1_000_000_000_000i64..3_000_000_000_000, day in 1u8..=7, hour in 0u8..24, zone in 0usize..8,
        ) {
            let zones = [
                Tz::UTC, Tz::Europe__Berlin, Tz::America__New_York, Tz::Asia__Shanghai, Tz::Australia__Lord_Howe,
                Tz::America__Sao_Paulo, Tz::Asia__Kathmandu, Tz::Pacific__Apia,
            ];
            let calendar = Calendar { zone: zones[zone], weekly_reset_day: day, weekly_reset_hour: hour };
            let at = Timestamp(ms);
            for window in [CostWindow::Day, CostWindow::Week, CostWindow::Month] {
                let bounds = calendar.bounds(window, at);
                let end = bounds.end.unwrap();
                prop_assert!(bounds.contains(at), "{window:?} {bounds:?}");
                prop_assert!(end.since(bounds.start) <= 32 * DAY);
                prop_assert_eq!(calendar.bounds(window, bounds.start), bounds);
                prop_assert_eq!(calendar.bounds(window, end.plus(-1)), bounds);
                prop_assert_eq!(calendar.bounds(window, end).start, end);
            }
        }
    }
}
