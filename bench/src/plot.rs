//! The rates as bars, one panel an operation, each to a scale of its own.

use std::fmt::Write as _;

use crate::rates::Row;

const WIDTH: f64 = 760.0;
const BAR: f64 = 14.0;
/// Where bars begin, and how long the longest is.
const LEFT: f64 = 190.0;
const LONGEST: f64 = 470.0;

/// A drawing as SVG.
pub fn draw(rows: &[Row]) -> String {
    let mut drawn = String::new();
    let mut y = 30.0;
    for group in rows.chunk_by(|one, other| one.operation == other.operation) {
        let bars: Vec<_> = group.iter().flat_map(bars).collect();
        let most = bars.iter().map(|(.., rate)| *rate).fold(1.0, f64::max);
        let name = group[0].operation.name();
        let _ = writeln!(
            drawn,
            "<text x=\"12\" y=\"{y}\" font-weight=\"bold\">{name}</text>"
        );
        y += 8.0;
        for (label, colour, rate) in bars {
            let (length, middle) = (rate / most * LONGEST, y + BAR - 3.0);
            let _ = writeln!(
                drawn,
                "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{label}</text>\
                <rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{}\" fill=\"{colour}\"/>\
                <text x=\"{:.1}\" y=\"{middle}\">{rate:.0}</text>",
                LEFT - 8.0,
                BAR - 2.0,
                LEFT + length + 6.0,
            );
            y += BAR;
        }
        y += 26.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" width=\"{WIDTH}\" height=\"{y}\" \
        font-family=\"sans-serif\" font-size=\"11\">\n<title>Requests a second</title>\n\
        <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{drawn}</svg>\n"
    )
}

fn bars(row: &Row) -> Vec<(String, &'static str, f64)> {
    let clients = match row.clients {
        1 => "1 client".to_owned(),
        clients => format!("{clients} clients"),
    };
    let pgbench = |name: &str, colour, seen: &Option<crate::samples::Seen>| {
        let seen = seen.as_ref()?;
        Some((format!("{name}, {clients}"), colour, seen.rate))
    };
    let served = (format!("the server, {clients}"), "#1b7f5a", row.served.rate);
    pgbench("least SQL", "#b9c2cc", &row.least)
        .into_iter()
        .chain(pgbench("own statements", "#7d8fa3", &row.own))
        .chain([served])
        .collect()
}
