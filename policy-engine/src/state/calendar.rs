//! Days, months and hours of UTC, from seconds since the Unix epoch.

pub(crate) const DAY: u64 = 86_400;

/// A day as the count of days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(u64);

impl Day {
    pub(crate) const fn of(now: u64) -> Self {
        Self(now / DAY)
    }

    /// The day of a date of the proleptic Gregorian calendar, from 1970 on. `None` where there is no such day.
    pub(crate) fn from_date(year: u16, month: u8, day: u8) -> Option<Self> {
        if year < 1970 || !(1..=12).contains(&month) || day == 0 || day > month_length(year, month) {
            return None;
        }
        let years: u64 = (1970..year).map(|y| if is_leap(y) { 366 } else { 365 }).sum();
        let months: u64 = (1..month).map(|m| u64::from(month_length(year, m))).sum();
        Some(Self(years + months + u64::from(day) - 1))
    }

    /// Year, month and day.
    pub(crate) fn date(self) -> (u64, u8, u8) {
        // Days since 0000-03-01: a year that starts in March ends with its leap day.
        let days = self.0 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        (year, u8::try_from(month).unwrap_or(1), u8::try_from(day).unwrap_or(1))
    }

    /// The first second of the day.
    pub(crate) const fn start(self) -> u64 {
        self.0.saturating_mul(DAY)
    }

    /// From 1, a Monday, to 7, a Sunday.
    pub(crate) const fn weekday(self) -> u64 {
        // 1970-01-01 was a Thursday.
        (self.0 + 3) % 7 + 1
    }

    /// The first second of the day's month.
    pub(crate) fn month_start(self) -> u64 {
        let (.., day) = self.date();
        Self(self.0.saturating_sub(u64::from(day) - 1)).start()
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

const fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn month_length(year: u16, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days() {
        for (date, second, weekday) in [
            ((1970, 1, 1), 0, 4),
            ((2000, 2, 29), 951_782_400, 2),
            ((2026, 11, 24), 1_795_478_400, 2),
            ((2100, 3, 1), 4_107_542_400, 1),
        ] {
            let day = Day::from_date(date.0, date.1, date.2).unwrap();
            assert_eq!((day.start(), day.weekday()), (second, weekday), "{date:?}");
            assert_eq!(Day::of(second + DAY - 1), day);
        }
        assert_eq!(Day::from_date(2026, 11, 24).unwrap().to_string(), "2026-11-24");
        for (year, month, day) in
            [(2027, 2, 29), (2100, 2, 29), (2027, 13, 1), (2027, 4, 31), (2027, 1, 0), (1969, 1, 1)]
        {
            assert_eq!(Day::from_date(year, month, day), None);
        }
    }

    proptest! {
        #[test]
        fn every_second_is_in_its_windows(now in any::<u64>(), later in 0_u64..40 * DAY) {
            use crate::state::Window;
            for window in Window::ALL {
                let start = window.start(now);
                prop_assert!(start <= now);
                prop_assert_eq!(window == Window::Call || window.start(start) == start, true);
                prop_assert!(window.start(now.saturating_add(later)) >= start);
            }
            prop_assert!((1..=7).contains(&Day::of(now).weekday()));
        }

        #[test]
        fn dates_read_back(year in 1970_u16..3000, month in 1_u8..=12, day in 1_u8..=31) {
            if let Some(found) = Day::from_date(year, month, day) {
                prop_assert_eq!(found.date(), (u64::from(year), month, day));
                prop_assert_eq!(Day::of(found.month_start()).date(), (u64::from(year), month, 1));
            }
        }
    }
}
