//! Durations as people write them, `30s` or `5m`, also joined as Go writes them, `1m30s`: whole numbers, each with its
//! unit. A bare number is refused, because nobody can tell what it counts, and so is zero, because no setting of ours means
//! anything with it. No library reads just these and writes back what it read.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::Violation;

/// A duration longer than zero, kept in the units in which it was written.
///
/// ```
/// use std::time::Duration;
/// use nomad_services_domain::PositiveDuration;
///
/// let interval: PositiveDuration = "90s".parse()?;
/// assert_eq!(interval.get(), Duration::from_secs(90));
/// assert_eq!(interval.to_string(), "90s");
/// assert_eq!("1m30s".parse::<PositiveDuration>()?.get(), interval.get());
/// assert!("90".parse::<PositiveDuration>().is_err());
/// # Ok::<(), nomad_services_domain::Violation>(())
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct PositiveDuration {
    /// How many of each of [`UNITS`], where it was written.
    counts: [Option<u32>; UNITS.len()],
}

/// The units from the largest to the smallest, with the milliseconds in each.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl PositiveDuration {
    /// The form of every duration as a regular expression, in what JSON Schema, Go and Rust have in common.
    ///
    /// ```
    /// # use nomad_services_domain::PositiveDuration;
    /// let form = regex_lite::Regex::new(PositiveDuration::PATTERN)?;
    /// assert!(form.is_match("1h5m") && !form.is_match("5m1h"));
    /// # Ok::<(), regex_lite::Error>(())
    /// ```
    pub const PATTERN: &str = "^([1-9][0-9]*h([0-9]+m)?([0-9]+s)?([0-9]+ms)?|[1-9][0-9]*m([0-9]+s)?([0-9]+ms)?|[1-9][0-9]*s([0-9]+ms)?|[1-9][0-9]*ms)$";

    /// `count` seconds; `None` for zero.
    pub const fn from_seconds(count: u32) -> Option<Self> {
        if count == 0 {
            return None;
        }
        Some(Self {
            counts: [None, None, Some(count), None],
        })
    }

    /// Its length.
    pub fn get(self) -> Duration {
        let parts = self.counts.into_iter().zip(UNITS);
        // Four times the highest count of the largest unit is far from the highest number of milliseconds.
        let milliseconds = parts.map(|(count, (_, unit))| u64::from(count.unwrap_or(0)) * unit);
        Duration::from_millis(milliseconds.sum())
    }
}

impl fmt::Display for PositiveDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, (unit, _)) in self.counts.into_iter().zip(UNITS) {
            if let Some(count) = count {
                write!(formatter, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for PositiveDuration {
    type Err = Violation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        counts(text).map(|counts| Self { counts }).ok_or_else(|| {
            Violation::new(
                "malformed",
                "must be a whole number above zero with its unit, h, m, s or ms, such as 30s or 5m, or several, the largest unit first, such as 1m30s",
            )
        })
    }
}

/// Go leaves out leading units that are zero, and writes `1m0s`: only the first number must be above zero.
fn counts(text: &str) -> Option<[Option<u32>; UNITS.len()]> {
    if text.is_empty() || text.starts_with('0') {
        return None;
    }
    let mut counts = [None; UNITS.len()];
    let mut smaller = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = split(rest, |byte| byte.is_ascii_digit());
        let (name, after) = split(after, |byte| !byte.is_ascii_digit());
        let found = UNITS
            .iter()
            .skip(smaller)
            .position(|(unit, _)| *unit == name)?;
        *counts.get_mut(smaller + found)? = Some(number.parse().ok()?);
        smaller += found + 1;
        rest = after;
    }
    Some(counts)
}

/// The part in front whose bytes all are what is asked for, and the rest.
fn split(text: &str, belongs: impl Fn(&u8) -> bool) -> (&str, &str) {
    text.split_at(text.bytes().take_while(belongs).count())
}

impl TryFrom<String> for PositiveDuration {
    type Error = Violation;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PositiveDuration> for String {
    fn from(duration: PositiveDuration) -> Self {
        duration.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_with_a_unit_is_a_duration() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("24h", 86_400_000),
        ] {
            let duration: PositiveDuration = text.parse().unwrap();
            assert_eq!(duration.get(), Duration::from_millis(milliseconds));
        }
    }

    #[test]
    fn units_join_from_the_largest_to_the_smallest_as_go_writes_them() {
        for (text, milliseconds) in [
            ("1m30s", 90_000),
            ("1h5m", 3_900_000),
            ("1h0m0s", 3_600_000),
            ("1h05m", 3_900_000),
            ("2h3m4s5ms", 7_384_005),
            ("1h30ms", 3_600_030),
        ] {
            let duration: PositiveDuration = text.parse().unwrap();
            assert_eq!(
                duration.get(),
                Duration::from_millis(milliseconds),
                "{text}"
            );
        }
        for text in [
            "30s1m", "1m1m", "0h5m", "1m30", "1h-5m", "1h 5m", "1m30.5s", "1hm", "1ms1s",
        ] {
            assert!(text.parse::<PositiveDuration>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn zero_bare_numbers_and_everything_else_are_refused() {
        for text in [
            "",
            "0s",
            "00s",
            "05s",
            "0",
            "30",
            "s",
            "-1s",
            "+1s",
            " 1s",
            "1 s",
            "1s ",
            "1.5s",
            "1d",
            "1S",
            "١s",
            "99999999999s",
        ] {
            assert!(text.parse::<PositiveDuration>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(text in "[1-9][0-9]{0,8}(h([1-9]m)?(59s)?|m(0s)?(7ms)?|s([1-9]ms)?|ms)") {
            let duration: PositiveDuration = text.parse().unwrap();
            prop_assert_eq!(duration.to_string(), text);
        }

        #[test]
        fn the_pattern_is_what_is_read(text in "([0-9]{0,3}(h|m|s|ms|d| )?){0,4}") {
            let pattern = regex_lite::Regex::new(PositiveDuration::PATTERN).unwrap();
            prop_assert_eq!(pattern.is_match(&text), text.parse::<PositiveDuration>().is_ok());
        }

        #[test]
        fn no_text_makes_it_fail_otherwise(text in ".*") {
            if let Ok(duration) = text.parse::<PositiveDuration>() {
                prop_assert!(duration.get() > Duration::ZERO);
            }
        }
    }
}
