//! Wall-clock times in the two forms Nomad sends: nanoseconds since 1970, and RFC 3339 with `Z`.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serializer;

/// Nanoseconds since 1970.
pub fn nanoseconds(time: DateTime<Utc>) -> i64 {
    time.timestamp_nanos_opt().unwrap_or(i64::MAX)
}

pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Serialises a time as nanoseconds since 1970; a missing one is 0.
pub fn serialize_nanoseconds<S: Serializer>(
    time: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(time.map_or(0, nanoseconds))
}

/// Serialises a time as RFC 3339; a missing one is null.
pub fn serialize_rfc3339<S: Serializer>(
    time: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_str(&rfc3339(*time)),
        None => serializer.serialize_none(),
    }
}
