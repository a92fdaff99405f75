//! Durations as Go writes them: `1h30m`, `1.5s`, `500ms`.

const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 6e10),
    ("h", 3.6e12),
];

/// The nanoseconds of a duration.
///
/// # Errors
/// Go's words.
pub(super) fn nanoseconds(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.');
        let (number, after) = rest.split_at(digits.unwrap_or(rest.len()));
        let unit = after.find(|character: char| character.is_ascii_digit() || character == '.');
        let (unit, after) = after.split_at(unit.unwrap_or(after.len()));
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {text:?}"));
        }
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let factor = UNITS.iter().find(|(name, _)| *name == unit);
        let (_, factor) =
            factor.ok_or_else(|| format!("time: unknown unit {unit:?} in duration {text:?}"))?;
        total += number * factor;
        rest = after;
    }
    // Nothing a job says comes near the limit of 292 years; beyond it this saturates.
    Ok((sign * total) as i64)
}
