//! Periods counted from an anchor, in the site's zone (`billing.md` §8): never step by step, so the anchor's day returns.

use chrono::{DateTime, Days, LocalResult, Months, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::book::words;
use crate::domain::time::Timestamp;

/// The longest skip of a local clock on record is a whole day.
const LONGEST_GAP_H: i64 = 26;

/// What a period is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeriodUnit {
    /// Local days.
    Day,
    /// Seven local days.
    Week,
    /// Calendar months.
    Month,
    /// Twelve months.
    Year,
}

words!(PeriodUnit { Day = "day", Week = "week", Month = "month", Year = "year" });

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PeriodLength {
    /// In what.
    pub unit: PeriodUnit,
    /// How many; at least 1.
    pub count: u32,
}

/// From where periods are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Start of period 1.
    pub at: Timestamp,
    /// The site's zone.
    pub zone: Tz,
}

impl Anchor {
    /// End of the n-th period, which is the start of the next: the anchor's local time n periods later, on the anchor's day
    /// or the month's last. A local time that does not exist moves forward by the gap; of two the earlier counts. `None`
    /// beyond the calendar.
    pub fn end(&self, length: PeriodLength, n: u32) -> Option<Timestamp> {
        let local = DateTime::from_timestamp_millis(self.at.0)?.with_timezone(&self.zone).naive_local();
        let steps = length.count.checked_mul(n)?;
        let later = match length.unit {
            PeriodUnit::Day => local.checked_add_days(Days::new(u64::from(steps)))?,
            PeriodUnit::Week => local.checked_add_days(Days::new(u64::from(steps) * 7))?,
            PeriodUnit::Month => local.checked_add_months(Months::new(steps))?,
            PeriodUnit::Year => local.checked_add_months(Months::new(steps.checked_mul(12)?))?,
        };
        instant(self.zone, later)
    }

    /// The anchor's moment plus whole local days.
    pub fn plus_days(&self, days: u32) -> Option<Timestamp> {
        self.end(PeriodLength { unit: PeriodUnit::Day, count: 1 }, days)
    }
}

fn instant(zone: Tz, local: NaiveDateTime) -> Option<Timestamp> {
    let found = match zone.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => time.with_timezone(&Utc),
        LocalResult::None => {
            // Read with the offset that held before the clock went forward.
            let hours = (1..=LONGEST_GAP_H).filter_map(|hours| local.checked_sub_signed(TimeDelta::hours(hours)));
            let before = hours.filter_map(|time| zone.from_local_datetime(&time).latest()).next()?;
            local.checked_sub_signed(TimeDelta::seconds(i64::from(before.offset().fix().local_minus_utc())))?.and_utc()
        }
    };
    Some(Timestamp(found.timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use chrono::Datelike;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::time::{DAY, HOUR};

    const MONTH: PeriodLength = PeriodLength { unit: PeriodUnit::Month, count: 1 };
    const ONE_DAY: PeriodLength = PeriodLength { unit: PeriodUnit::Day, count: 1 };

    fn at(text: &str) -> Timestamp {
        Timestamp(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    fn check(zone: Tz, anchor: &str, length: PeriodLength, n: u32, end: &str) {
        let found = Anchor { at: at(anchor), zone }.end(length, n).unwrap();
        assert_eq!(found.to_rfc3339(), at(end).to_rfc3339(), "{anchor} + {n}");
    }

    #[test]
    fn months_end_on_the_anchors_day_or_the_last() {
        let year = PeriodLength { unit: PeriodUnit::Year, count: 1 };
        let quarter = PeriodLength { unit: PeriodUnit::Month, count: 3 };
        check(Tz::UTC, "2027-01-31T09:30:00Z", MONTH, 1, "2027-02-28T09:30:00Z");
        check(Tz::UTC, "2027-01-31T09:30:00Z", MONTH, 4, "2027-05-31T09:30:00Z");
        check(Tz::UTC, "2027-12-31T00:00:00Z", MONTH, 2, "2028-02-29T00:00:00Z");
        check(Tz::UTC, "2028-02-29T12:00:00Z", year, 1, "2029-02-28T12:00:00Z");
        check(Tz::UTC, "2028-02-29T12:00:00Z", year, 4, "2032-02-29T12:00:00Z");
        check(Tz::UTC, "2027-11-30T00:00:00Z", quarter, 1, "2028-02-29T00:00:00Z");
        // 00:30 on 1 February in Shanghai is still January in UTC: the zone's day counts.
        check(Tz::Asia__Shanghai, "2027-01-30T16:30:00Z", MONTH, 1, "2027-02-27T16:30:00Z");
    }

    #[test]
    fn clock_changes_keep_the_local_time() {
        let berlin = Tz::Europe__Berlin;
        check(berlin, "2026-03-01T08:00:00Z", MONTH, 1, "2026-04-01T07:00:00Z");
        // 02:30 on 29 March does not exist: 03:30 summer time. 02:30 on 25 October comes twice: the first.
        check(berlin, "2026-03-28T01:30:00Z", ONE_DAY, 1, "2026-03-29T01:30:00Z");
        check(berlin, "2026-10-24T00:30:00Z", ONE_DAY, 1, "2026-10-25T00:30:00Z");
        // Samoa had no 30 December 2011.
        check(Tz::Pacific__Apia, "2011-12-29T20:00:00Z", ONE_DAY, 1, "2011-12-30T20:00:00Z");
        let spring = Anchor { at: at("2026-03-28T23:00:00Z"), zone: berlin };
        assert_eq!(spring.end(ONE_DAY, 1).unwrap().since(spring.at), 23 * HOUR);
        let autumn = Anchor { at: at("2026-10-24T22:00:00Z"), zone: berlin };
        assert_eq!(autumn.end(ONE_DAY, 1).unwrap().since(autumn.at), 25 * HOUR);
    }

    proptest! {
        #[test]
        fn ends_rise_and_stay_on_the_anchors_day(
            ms in 1_500_000_000_000i64..2_500_000_000_000, zone in 0usize..6, count in 1u32..=12,
        ) {
            let zones = [
                Tz::UTC, Tz::Europe__Berlin, Tz::America__New_York, Tz::Asia__Shanghai, Tz::Australia__Lord_Howe,
                Tz::America__Sao_Paulo,
            ];
            let anchor = Anchor { at: Timestamp(ms), zone: zones[zone] };
            let local = |at: Timestamp| DateTime::from_timestamp_millis(at.0).unwrap().with_timezone(&anchor.zone);
            let length = PeriodLength { unit: PeriodUnit::Month, count };
            let mut last = anchor.at;
            prop_assert_eq!(anchor.end(length, 0), Some(anchor.at));
            for n in 1..30 {
                let end = anchor.end(length, n).unwrap();
                prop_assert!(end > last && end.since(last) <= i64::from(count) * 32 * DAY);
                let (day, time) = (local(end).day(), local(end));
                let is_last = (time + TimeDelta::days(1)).day() == 1;
                // A local time that a clock change skips may land on the next day.
                let moved = (time - TimeDelta::hours(2)).day() != day;
                prop_assert!(day == local(anchor.at).day() || is_last || moved, "{time}");
                last = end;
            }
        }
    }
}
