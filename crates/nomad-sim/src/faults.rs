//! Faults that can be switched on: calls that are refused, delayed, answered with an error, or done and never answered.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What happens to a call that a fault meets.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The connection is closed; nothing was done.
    Refuse,
    /// The call is done after a wait.
    Delay,
    /// The call is done, then the connection is closed without an answer.
    LoseAnswer,
    /// Nothing is done; the answer is an error.
    Error,
}

/// One fault: which calls, how often, what.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The method of the calls; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// How the path of the calls begins; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    pub kind: FaultKind,
    /// How many calls it meets; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// How long a delay is, such as `2s` or `150ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<String>,
    /// The status of an error; 500 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The text of an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The faults that are switched on, in order: the first that fits a call is the one that meets it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    pub faults: Vec<Fault>,
}

impl Faults {
    /// What is wrong with the faults, in words that name the field.
    pub fn check(&self) -> Result<(), String> {
        for (position, fault) in self.faults.iter().enumerate() {
            if let Some(delay) = &fault.delay
                && duration(delay).is_none()
            {
                return Err(format!(
                    "faults[{position}].delay: {delay:?} is not a duration such as 2s or 150ms"
                ));
            }
            if fault.kind == FaultKind::Delay && fault.delay.is_none() {
                return Err(format!(
                    "faults[{position}].delay: a delay needs one, such as 2s"
                ));
            }
            if fault
                .status
                .is_some_and(|status| !(400..600).contains(&status))
            {
                return Err(format!(
                    "faults[{position}].status: an error's status is from 400 to 599"
                ));
            }
        }
        Ok(())
    }

    /// Takes the fault that meets a call, counting it down.
    pub fn meet(&mut self, method: &str, path: &str) -> Option<Fault> {
        let position = self.faults.iter().position(|fault| {
            fault
                .method
                .as_deref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
                && fault
                    .path
                    .as_deref()
                    .is_none_or(|start| path.starts_with(start))
        })?;
        let met = self.faults.get(position)?.clone();
        if let Some(left) = self
            .faults
            .get_mut(position)
            .and_then(|fault| fault.count.as_mut())
        {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.faults.remove(position);
            }
        }
        Some(met)
    }
}

impl Fault {
    pub fn wait(&self) -> Duration {
        self.delay.as_deref().and_then(duration).unwrap_or_default()
    }
}

/// A duration as Go writes it: numbers with units, such as `1m30s`.
pub fn duration(text: &str) -> Option<Duration> {
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits =
            rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (amount, after) = rest.split_at(digits);
        let letters = after
            .find(|character: char| character.is_ascii_digit() || character == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += Duration::try_from_secs_f64(amount.parse::<f64>().ok()? * seconds).ok()?;
        rest = after;
    }
    Some(total)
}
