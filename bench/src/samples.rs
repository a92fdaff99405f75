//! What a run has seen, from all of its requests.

use std::time::Duration;

/// One run.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Good answers a second, of all clients together.
    pub rate: f64,
    pub median: Duration,
    pub p99: Duration,
    /// How many good answers there were.
    pub good: u32,
    /// How many requests failed, which count nowhere else.
    pub failed: u32,
    /// What the first of them was told.
    pub failure: Option<String>,
}

impl Seen {
    /// Of all good answers' latencies, in a run of this long.
    pub fn of(mut latencies: Vec<Duration>, elapsed: Duration) -> Self {
        latencies.sort_unstable();
        let at = |percent: usize| {
            let place = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
            latencies.get(place).copied().unwrap_or_default()
        };
        let good = u32::try_from(latencies.len()).unwrap_or(u32::MAX);
        Self {
            rate: f64::from(good) / elapsed.as_secs_f64(),
            median: at(50),
            p99: at(99),
            good,
            ..Self::default()
        }
    }
}

/// The run whose rate is the median of these, with the failures of all.
pub fn middle(mut runs: Vec<Seen>) -> Option<Seen> {
    runs.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    let mut middle = runs.get(runs.len() / 2)?.clone();
    middle.failed = runs.iter().map(|run| run.failed).sum();
    middle.failure = runs.into_iter().find_map(|run| run.failure);
    Some(middle)
}

pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
