//! Where and how something was measured.

use std::{env, fs, thread};

use tokio_postgres::Client as Postgres;

use crate::Result;

/// The processor, the memory, the kernel, PostgreSQL, and the day.
pub async fn describe(postgres: &Postgres) -> Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = value(&processors, "model name").unwrap_or("a processor without a name");
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib: f64 = value(&memory, "MemTotal")
        .and_then(|value| value.split(' ').next())
        .ok_or("/proc has another form")?
        .parse()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let row = postgres
        .query_one(
            "SELECT current_setting('server_version'), current_date::text",
            &[],
        )
        .await?;
    let (version, day): (String, String) = (row.get(0), row.get(1));
    Ok(format!(
        "{} cores of {model}, {:.0} GiB of memory, Linux {}, PostgreSQL {version}, on {day}",
        thread::available_parallelism()?,
        kib / 1024.0 / 1024.0,
        kernel.trim()
    ))
}

/// How this program was called, by `make`, without where the page goes.
pub fn command() -> String {
    let mut arguments = Vec::new();
    let mut given = env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--page" => drop(given.next()),
            other if other.starts_with("--page=") => {}
            _ => arguments.push(argument),
        }
    }
    if arguments.is_empty() {
        return "make bench".to_owned();
    }
    format!("make bench BENCH=\"{}\"", arguments.join(" "))
}

fn value<'a>(lines: &'a str, name: &str) -> Option<&'a str> {
    let line = lines.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}
