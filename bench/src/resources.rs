//! What a process uses, as Linux counts it.

use std::{fs, time::Duration};

use crate::Result;

/// In which /proc counts processor time, whatever the kernel's own clock does.
const TICKS_A_SECOND: f64 = 100.0;

/// The processor time of all its threads so far.
pub fn processor_time(process: u32) -> Result<Duration> {
    let line = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name before may hold spaces and parentheses; user and system time are the 14th and 15th field of the line.
    let (_, fields) = line.rsplit_once(')').ok_or("/proc has another form")?;
    let mut ticks = 0.0;
    for field in fields.split_whitespace().skip(11).take(2) {
        ticks += field.parse::<f64>()?;
    }
    Ok(Duration::from_secs_f64(ticks / TICKS_A_SECOND))
}

/// Its resident memory in MiB.
pub fn resident(process: u32) -> Result<f64> {
    status(process, "VmRSS:")
}

/// The most that this ever was.
pub fn peak(process: u32) -> Result<f64> {
    status(process, "VmHWM:")
}

fn status(process: u32, name: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    let kib: f64 = value
        .and_then(|value| value.split_whitespace().next())
        .ok_or("/proc has another form")?
        .parse()?;
    Ok(kib / 1024.0)
}
