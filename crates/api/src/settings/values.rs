//! The forms a single setting's value may have. Each error is what is allowed there, as a phrase that follows "allowed:".

use std::{fmt, str::FromStr, time::Duration};

use domain::PositiveDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Stands for a secret that is set, in everything that is shown.
pub const MASK: &str = "**********";

/// A length of time above zero, written as the rest of the product has durations: `250ms`, `30s`, `15m`, `24h` or `1m30s`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct NonZeroDuration(Duration);

impl NonZeroDuration {
    const ALLOWED: &str = "a whole number above zero with its unit, such as 250ms, 30s, 15m or 24h, or several, such as 1m30s (at most 10 years)";
    const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

    /// The same, as the standard library has it.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for NonZeroDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let duration = text.parse::<PositiveDuration>().ok();
        duration
            .map(PositiveDuration::get)
            .filter(|duration| *duration <= Self::LONGEST)
            .map(Self)
            .ok_or_else(|| Self::ALLOWED.to_owned())
    }
}

impl fmt::Display for NonZeroDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        match milliseconds {
            _ if milliseconds.is_multiple_of(3_600_000) => {
                write!(formatter, "{}h", milliseconds / 3_600_000)
            }
            _ if milliseconds.is_multiple_of(60_000) => {
                write!(formatter, "{}m", milliseconds / 60_000)
            }
            _ if milliseconds.is_multiple_of(1_000) => {
                write!(formatter, "{}s", milliseconds / 1_000)
            }
            _ => write!(formatter, "{milliseconds}ms"),
        }
    }
}

impl<'de> Deserialize<'de> for NonZeroDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

impl Serialize for NonZeroDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A value read from its text.
pub(super) fn parsed<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?
        .parse()
        .map_err(de::Error::custom)
}

/// A value that is not set where the text is empty.
pub(super) fn optional<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: From<String>,
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    Ok((!text.is_empty()).then(|| text.into()))
}

/// A text of at least one character.
pub(super) fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    optional(deserializer)?.ok_or_else(|| de::Error::custom("a text that is not empty"))
}

/// A whole number from `MIN` to `MAX`, in a file or as the text of a variable.
pub(super) fn bounded<'de, const MIN: u64, const MAX: u64, N, D>(
    deserializer: D,
) -> Result<N, D::Error>
where
    N: TryFrom<u64>,
    D: Deserializer<'de>,
{
    struct Number<const MIN: u64, const MAX: u64>;

    impl<const MIN: u64, const MAX: u64> Number<MIN, MAX> {
        fn check<E: de::Error>(number: Option<u64>) -> Result<u64, E> {
            number
                .filter(|number| (MIN..=MAX).contains(number))
                .ok_or_else(|| E::custom(format_args!("a whole number from {MIN} to {MAX}")))
        }
    }

    impl<const MIN: u64, const MAX: u64> de::Visitor<'_> for Number<MIN, MAX> {
        type Value = u64;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(formatter, "a whole number from {MIN} to {MAX}")
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
            Self::check(number.try_into().ok())
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
            Self::check(Some(number))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
            Self::check(text.parse().ok())
        }
    }

    let number = deserializer.deserialize_any(Number::<MIN, MAX>)?;
    number
        .try_into()
        .map_err(|_| de::Error::custom(format_args!("a whole number from {MIN} to {MAX}")))
}

/// Shows that a secret is set, never what it is.
pub(super) fn masked<S: Serializer>(
    secret: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match secret {
        Some(secret) if !secret.expose_secret().is_empty() => MASK,
        _ => "",
    })
}

/// Shows a value that is not set as the empty text, as the files do.
pub(super) fn or_empty<T, S>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Serialize,
    S: Serializer,
{
    match value {
        Some(value) => value.serialize(serializer),
        None => serializer.serialize_str(""),
    }
}

/// One of a few words, with all of them named where it is another.
pub fn choice<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    word(String::deserialize(deserializer)?)
}

/// A list of such words.
pub fn choices<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let words = Vec::<String>::deserialize(deserializer)?;
    words.into_iter().map(word).collect()
}

fn word<'de, T: Deserialize<'de>, E: de::Error>(word: String) -> Result<T, E> {
    let word: de::value::StringDeserializer<de::value::Error> =
        de::IntoDeserializer::into_deserializer(word);
    T::deserialize(word).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_number_above_zero_and_a_unit() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("15m", 900_000),
            ("24h", 86_400_000),
        ] {
            let duration: NonZeroDuration = text.parse().unwrap();
            assert_eq!(duration.get(), Duration::from_millis(milliseconds));
            assert_eq!(duration.to_string(), text);
        }
        let joined: NonZeroDuration = "1m30s".parse().unwrap();
        assert_eq!(joined.get(), Duration::from_secs(90));
    }

    #[test]
    fn zero_bare_numbers_and_anything_else_are_no_durations() {
        for text in [
            "",
            "0s",
            "0",
            "5",
            "s",
            "-5s",
            "+5s",
            "1.5s",
            "5 s",
            " 5s",
            "5S",
            "5d",
            "5s5",
            "99999999999999999999h",
            "18446744073709551615ms",
        ] {
            assert!(
                text.parse::<NonZeroDuration>().is_err(),
                "{text:?} was accepted"
            );
        }
    }
}
