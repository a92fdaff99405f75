//! The page that shows what was measured, `docs/performance.md`, with a drawing beside it. What people write between two marks
//! of the page stays when it is written again.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use crate::{
    Result, delay,
    mixed::Mixed,
    plot,
    rates::Row,
    samples::{Seen, milliseconds},
};

const BEGIN: &str = "<!-- written by hand: begin -->";
const END: &str = "<!-- written by hand: end -->";

/// The resident memory of the server, in MiB.
pub struct Memory {
    pub idle: f64,
    pub signed_in: f64,
    pub loaded: f64,
    pub peak: f64,
}

/// All that was measured.
pub struct Results {
    pub tenants: u32,
    pub sign_ins: u32,
    pub rounds: usize,
    pub seconds: u64,
    pub machine: String,
    pub command: String,
    pub rows: Vec<Row>,
    pub signing_in: Seen,
    /// Verifications a second of bare Argon2 on one thread.
    pub argon2: f64,
    pub memory: Memory,
    /// By how much the proxy lengthens a bare statement.
    pub longer: Duration,
    pub delayed: Vec<delay::Row>,
    pub mixed: Option<Mixed>,
}

/// Writes the page and its drawing into this folder.
pub fn write(folder: &Path, results: &Results) -> Result<()> {
    let page = folder.join("performance.md");
    let kept = fs::read_to_string(&page).unwrap_or_default();
    let kept = by_hand(&kept).unwrap_or("\n");
    let text = format!("{}\n{BEGIN}{kept}{END}\n", measured(results)?);
    fs::create_dir_all(folder)?;
    fs::write(page, text)?;
    fs::write(folder.join("performance.svg"), plot::draw(&results.rows))?;
    Ok(())
}

fn by_hand(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once(BEGIN)?;
    Some(rest.rsplit_once(END)?.0)
}

fn measured(results: &Results) -> Result<String> {
    let mut page = String::new();
    write!(
        page,
        "# Performance\n\n\
        `{}` measures this and writes it down, with a release build, on the machine at hand: {}.\n\
        Clients, server and database share it, over loopback.\n\n\
        There are {} tenants with six services and fifty events of the trail each. {} users have signed in: two of five from these\n\
        tenants, who list and read, the others from tenants without services, who create. Each number is measured for {} s in each\n\
        of {} interleaved rounds; shown is the round whose rate is the median.\n\n\
        - **least SQL**: pgbench with prepared statements, as the role under row-level security: BEGIN, the tenant's `set_config`, the\n  \
        statement, COMMIT, each sent once the one before was answered. In a copy of the database without triggers: what creates\n  \
        something counts and writes its event by hand.\n\
        - **own statements**: pgbench with all that the server sends for the request, recorded and pipelined as the server does, in the\n  \
        server's own database: who calls and whether they still may, limits, audit.\n\
        - **the server**: requests over HTTP on kept connections, each sent once the one before was answered. Production's\n  \
        settings, but warnings alone are logged, metrics are off, and access tokens live for a day, as long as all this takes.\n  \
        Its processor time is of its process alone, a good answer; the client's own is given beside it, since it takes from the same cores.\n\n\
        ![Requests a second](performance.svg)\n\n## Rates\n\n\
        | | clients | least SQL /s | own statements /s | the server /s | of least SQL | of own | p50 ms | p99 ms | p99 of least SQL | server's CPU | client's CPU | failed |\n\
        | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        results.command,
        results.machine,
        results.tenants,
        results.sign_ins,
        results.seconds,
        results.rounds,
    )?;
    for row in &results.rows {
        page.push_str(&line(row));
    }
    for row in &results.rows {
        if let Some(failure) = &row.served.failure {
            writeln!(page, "\nOf {}s failed: {failure}", row.operation.name())?;
        }
    }
    let memory = &results.memory;
    write!(
        page,
        "\nPercentiles are of all requests of a round. A failed request counts under `failed` alone.\n\n\
        Signing in with 8 clients: {:.0} a second (p50 {:.0} ms, p99 {:.0} ms); bare Argon2 on one thread: {:.0} a second.\n\n\
        ## Memory\n\n\
        | | MiB resident |\n| --- | ---: |\n\
        | idle | {:.1} |\n| after {} sign-ins | {:.1} |\n| after all of the load above | {:.1} |\n| at most | {:.1} |\n",
        results.signing_in.rate,
        milliseconds(results.signing_in.median),
        milliseconds(results.signing_in.p99),
        results.argon2,
        memory.idle,
        results.sign_ins,
        memory.signed_in,
        memory.loaded,
        memory.peak,
    )?;
    if let Some(mixed) = &results.mixed {
        write!(
            page,
            "\nBeside 8 clients with lists, reads, pages of the trail, replaced services and sign-ins ({:.0} requests a second, p99\n\
            {:.1} ms, {} failed):\n\n| after | MiB resident |\n| ---: | ---: |\n",
            mixed.seen.rate,
            milliseconds(mixed.seen.p99),
            mixed.seen.failed
        )?;
        for (seconds, resident) in &mixed.memory {
            writeln!(page, "| {seconds} s | {resident:.1} |")?;
        }
        if let Some(failure) = &mixed.seen.failure {
            writeln!(page, "\nOf these failed: {failure}")?;
        }
    }
    write!(
        page,
        "\n## With a database further away\n\n\
        One client, and a proxy that lets everything the server sends to PostgreSQL wait for {} ms. A bare statement takes {:.2} ms longer\n\
        through it: a request waits for PostgreSQL as many times as its median is longer by that.\n\n\
        | | p50 ms | p50 ms through the proxy | longer by delays | failed |\n| --- | ---: | ---: | ---: | ---: |\n",
        delay::DELAY.as_millis(),
        milliseconds(results.longer)
    )?;
    for row in &results.delayed {
        writeln!(
            page,
            "| {} | {:.2} | {:.2} | {:.1} | {} |",
            row.operation.name(),
            milliseconds(row.near.median),
            milliseconds(row.far.median),
            row.delays,
            row.near.failed + row.far.failed
        )?;
    }
    Ok(page)
}

/// One line of the table; processor time in microseconds.
fn line(row: &Row) -> String {
    let rate = |seen: &Option<Seen>| {
        seen.as_ref()
            .map_or("-".to_owned(), |seen| format!("{:.0}", seen.rate))
    };
    let ratio = |seen: &Option<Seen>| {
        let seen = seen.as_ref();
        seen.map_or("-".to_owned(), |seen| {
            format!("{:.2}", row.served.rate / seen.rate)
        })
    };
    let time = |time: Duration| format!("{:.2}", milliseconds(time));
    let least = row.least.as_ref();
    format!(
        "| {} | {} | {} | {} | {:.0} | {} | {} | {} | {} | {} | {} µs | {} µs | {} |\n",
        row.operation.name(),
        row.clients,
        rate(&row.least),
        rate(&row.own),
        row.served.rate,
        ratio(&row.least),
        ratio(&row.own),
        time(row.served.median),
        time(row.served.p99),
        least.map_or("-".to_owned(), |least| time(least.p99)),
        row.server_time.as_micros(),
        row.client_time.as_micros(),
        row.served.failed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_by_hand_is_found_again() {
        let page = format!("# Performance\n{BEGIN}\n## By hand\n{END}\n");
        assert_eq!(by_hand(&page), Some("\n## By hand\n"));
        assert_eq!(by_hand("# Performance\n"), None);
    }
}
