//! Durations as people write them, `30s` or `5m`: a number and its unit. A bare number is refused, because nobody can
//! tell what it counts, and so is zero, because no setting of ours means anything with it.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::Violation;

/// A duration longer than zero, kept the way it was written.
///
/// ```
/// use std::time::Duration;
/// use nomad_services_domain::PositiveDuration;
///
/// let interval: PositiveDuration = "90s".parse()?;
/// assert_eq!(interval.get(), Duration::from_secs(90));
/// assert_eq!(interval.to_string(), "90s");
/// assert!("90".parse::<PositiveDuration>().is_err());
/// # Ok::<(), nomad_services_domain::Violation>(())
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct PositiveDuration {
    count: u32,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Unit {
    Milliseconds,
    Seconds,
    Minutes,
    Hours,
}

impl Unit {
    const ALL: [Self; 4] = [
        Self::Milliseconds,
        Self::Seconds,
        Self::Minutes,
        Self::Hours,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Minutes => "m",
            Self::Hours => "h",
        }
    }

    const fn milliseconds(self) -> u64 {
        match self {
            Self::Milliseconds => 1,
            Self::Seconds => 1_000,
            Self::Minutes => 60_000,
            Self::Hours => 3_600_000,
        }
    }
}

impl PositiveDuration {
    /// `count` seconds; `None` for zero.
    pub const fn from_seconds(count: u32) -> Option<Self> {
        if count == 0 {
            return None;
        }
        Some(Self {
            count,
            unit: Unit::Seconds,
        })
    }

    /// Its length.
    pub const fn get(self) -> Duration {
        Duration::from_millis(self.count as u64 * self.unit.milliseconds())
    }
}

impl fmt::Display for PositiveDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.count, self.unit.as_str())
    }
}

impl FromStr for PositiveDuration {
    type Err = Violation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || {
            Violation::new(
                "malformed",
                "must be a whole number above zero with its unit, ms, s, m or h, such as 30s or 5m",
            )
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = Unit::ALL
            .into_iter()
            .find(|known| known.as_str() == unit)
            .ok_or_else(malformed)?;
        match number.parse() {
            Ok(count @ 1..) if !number.starts_with('0') => Ok(Self { count, unit }),
            _ => Err(malformed()),
        }
    }
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
            "1m30s",
            "1S",
            "١s",
            "99999999999s",
        ] {
            assert!(text.parse::<PositiveDuration>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(count in 1..=u32::MAX, unit in 0..4_usize) {
            let text = format!("{count}{}", Unit::ALL[unit].as_str());
            let duration: PositiveDuration = text.parse().unwrap();
            prop_assert_eq!(duration.to_string(), text);
        }

        #[test]
        fn no_text_makes_it_fail_otherwise(text in ".*") {
            if let Ok(duration) = text.parse::<PositiveDuration>() {
                prop_assert!(duration.get() > Duration::ZERO);
            }
        }
    }
}
