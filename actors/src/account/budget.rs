//! The daily budget of an account: what was spent and promised since its own reset minute, in the site zone.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;

use crate::domain::money::Nanos;
use crate::domain::time::{DAY, Timestamp};

/// Spent and reserved upstream cost of the running day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    spent: Nanos,
    reserved: Nanos,
    /// End of the running day; also names it.
    resets_at: Timestamp,
}

impl Budget {
    /// An unspent day.
    pub fn new(now: Timestamp, reset_minute: u16, zone: Tz) -> Self {
        Self { spent: Nanos::ZERO, reserved: Nanos::ZERO, resets_at: next_reset(now, reset_minute, zone) }
    }

    /// Spent and reserved.
    pub fn used(&self) -> Nanos {
        self.spent.saturating_add(self.reserved)
    }

    /// When the day ends.
    pub fn resets_at(&self) -> Timestamp {
        self.resets_at
    }

    /// Begins a new day when the old one has ended, or a moved reset minute has ended it. True when it did.
    pub fn roll(&mut self, now: Timestamp, reset_minute: u16, zone: Tz) -> bool {
        if now < self.resets_at {
            return false;
        }
        *self = Self::new(now, reset_minute, zone);
        true
    }

    /// The reset minute or the zone changed: the day ends earlier or later, what was spent stays.
    pub fn move_reset(&mut self, now: Timestamp, reset_minute: u16, zone: Tz) {
        self.resets_at = next_reset(now, reset_minute, zone);
    }

    /// Counts what the day had cost before this process started.
    pub fn preload(&mut self, spent: Nanos) {
        self.spent = self.spent.saturating_add(spent);
    }

    /// Reserves; the caller has checked. Returns the day, for [`Self::settle`].
    pub fn reserve(&mut self, estimate: Nanos) -> Timestamp {
        self.reserved = self.reserved.saturating_add(estimate);
        self.resets_at
    }

    /// Replaces a reservation by its real cost. A reservation of a day that has ended belongs to that day.
    pub fn settle(&mut self, day: Timestamp, estimate: Nanos, cost: Nanos) {
        if day != self.resets_at {
            return;
        }
        self.reserved = Nanos(self.reserved.0.saturating_sub(estimate.0).max(0));
        self.spent = self.spent.saturating_add(cost);
    }
}

/// The first moment after `now` at which clocks in `zone` show minute `reset_minute` of the day. A minute that a DST change
/// skips is the first one after the gap.
pub fn next_reset(now: Timestamp, reset_minute: u16, zone: Tz) -> Timestamp {
    let local = zone.timestamp_millis_opt(now.0).single();
    let Some(today) = local.map(|t| t.date_naive()) else { return now.plus(DAY) };
    let days = [Some(today), today.checked_add_days(Days::new(1)), today.checked_add_days(Days::new(2))];
    let resets = days.into_iter().flatten().filter_map(|day| at_minute(day, reset_minute, zone));
    resets.map(|t| Timestamp(t.timestamp_millis())).find(|t| *t > now).unwrap_or(now.plus(DAY))
}

/// The last moment not after `now` at which the day began; see [`next_reset`].
pub fn last_reset(now: Timestamp, reset_minute: u16, zone: Tz) -> Timestamp {
    let local = zone.timestamp_millis_opt(now.0).single();
    let Some(today) = local.map(|t| t.date_naive()) else { return now.plus(-DAY) };
    let days = [Some(today), today.checked_sub_days(Days::new(1)), today.checked_sub_days(Days::new(2))];
    let resets = days.into_iter().flatten().filter_map(|day| at_minute(day, reset_minute, zone));
    resets.map(|t| Timestamp(t.timestamp_millis())).find(|t| *t <= now).unwrap_or(now.plus(-DAY))
}

fn at_minute(day: NaiveDate, minute: u16, zone: Tz) -> Option<DateTime<Tz>> {
    let time = NaiveTime::from_num_seconds_from_midnight_opt(u32::from(minute % 1_440) * 60, 0)?;
    let wanted = day.and_time(time);
    // Gaps are at most three hours long in the zone database's living zones.
    (0..=180).find_map(|late| zone.from_local_datetime(&(wanted + TimeDelta::minutes(late))).earliest())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    #[test]
    fn the_day_ends_at_its_minute_in_the_site_zone() {
        let berlin = Tz::Europe__Berlin;
        for (now, minute, reset) in [
            ("2026-01-10T12:00:00+01:00", 0, "2026-01-11T00:00:00+01:00"),
            ("2026-01-10T05:59:59+01:00", 360, "2026-01-10T06:00:00+01:00"),
            ("2026-01-10T06:00:00+01:00", 360, "2026-01-11T06:00:00+01:00"),
            // The day of the spring change has no 02:30; the autumn one has it twice.
            ("2026-03-29T00:00:00+01:00", 150, "2026-03-29T03:00:00+02:00"),
            ("2026-10-25T00:00:00+02:00", 150, "2026-10-25T02:30:00+02:00"),
            ("2026-10-24T22:00:00+02:00", 0, "2026-10-25T00:00:00+02:00"),
        ] {
            assert_eq!(next_reset(at(now), minute, berlin), at(reset), "{now} {minute}");
            assert_eq!(last_reset(at(reset), minute, berlin), at(reset));
            assert!(last_reset(at(reset).plus(-1), minute, berlin) <= at(now));
        }
    }

    #[test]
    fn a_reservation_is_settled_on_its_own_day() {
        let noon = at("2026-01-10T12:00:00Z");
        let mut budget = Budget::new(noon, 0, Tz::UTC);
        let day = budget.reserve(Nanos(100));
        budget.settle(day, Nanos(100), Nanos(70));
        let late = budget.reserve(Nanos(50));
        assert_eq!(budget.used(), Nanos(120));
        assert!(!budget.roll(noon.plus(DAY / 2 - 1), 0, Tz::UTC));
        assert!(budget.roll(noon.plus(DAY / 2), 0, Tz::UTC));
        assert_eq!(budget.used(), Nanos::ZERO);
        budget.settle(late, Nanos(50), Nanos(60));
        assert_eq!(budget.used(), Nanos::ZERO, "it belonged to yesterday");
    }
}
