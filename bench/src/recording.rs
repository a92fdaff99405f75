//! What the server sent to PostgreSQL for one request, taken from PostgreSQL's own log, so that pgbench sends the same
//! statements with the same parameters and nobody has to keep a copy of them.

use std::{collections::BTreeMap, fmt::Write as _};

use regex_lite::{Captures, Regex};

use crate::Result;

/// What the log's entries have to begin with (`log_line_prefix`): a mark and the session's process.
pub const PREFIX: &str = "@@%p@ ";

/// Statements in the order in which they arrived, with their parameters filled in.
pub struct Recording {
    statements: Vec<String>,
    own: Vec<(String, &'static str)>,
}

impl Recording {
    /// Reads from `log` what the session sent that mentions `marker`.
    pub fn read(log: &str, marker: &str) -> Result<Self> {
        let executed = Regex::new(r"(?s)^LOG:  (?:statement|execute [^:]+): (.*)$")?;
        let detail = Regex::new(r"(?s)^DETAIL:  [Pp]arameters: (.*)$")?;
        let parameter = Regex::new(r"\$\d+ = ('(?:[^']|'')*'|NULL)")?;
        let place = Regex::new(r"\$(\d+)")?;
        let mut sessions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for entry in log.split("@@") {
            let Some((session, entry)) = entry.trim_end().split_once("@ ") else {
                continue;
            };
            let statements = sessions.entry(session).or_default();
            if let Some(found) = executed.captures(entry) {
                statements.push(found[1].to_owned());
            } else if let (Some(found), Some(statement)) =
                (detail.captures(entry), statements.last_mut())
            {
                let values: Vec<_> = parameter
                    .captures_iter(&found[1])
                    .map(|found| literal(&found[1]))
                    .collect();
                let fill = |found: &Captures<'_>| {
                    let number: usize = found[1].parse().unwrap_or_default();
                    let value = values.get(number.wrapping_sub(1));
                    value.cloned().unwrap_or_default()
                };
                *statement = place.replace_all(statement, fill).into_owned();
            }
        }
        let mentions = |statements: &Vec<String>| statements.iter().any(|sql| sql.contains(marker));
        let statements = sessions.into_values().find(mentions);
        let statements = statements.ok_or("PostgreSQL's log does not show the request")?;
        Ok(Self {
            statements,
            own: Vec::new(),
        })
    }

    /// Adds a statement that follows.
    pub fn then(mut self, statement: String) -> Self {
        self.statements.push(statement);
        self
    }

    /// Says that `value` is another for each client, and which column of `bench_clients` holds its like.
    pub fn own(mut self, value: &str, column: &'static str) -> Self {
        self.own.push((value.to_owned(), column));
        self
    }

    /// A script for pgbench. What is a client's own is looked up once, since variables outlive a transaction.
    pub fn script(&self, pipeline: bool) -> String {
        let mut script = String::new();
        if !self.own.is_empty() {
            let columns: Vec<_> = self.own.iter().map(|(_, column)| *column).collect();
            let _ = writeln!(
                script,
                "\\if :known = 0\nSELECT {} FROM bench_clients WHERE number = :client_id \\gset\n\\set known 1\n\\endif",
                columns.join(", ")
            );
        }
        if pipeline {
            script.push_str("\\startpipeline\n");
        }
        for statement in &self.statements {
            let mut statement = statement.replace('\n', " ");
            for (value, column) in &self.own {
                statement = statement.replace(&format!("'{value}'"), &format!(":{column}"));
            }
            let _ = writeln!(script, "{statement};");
        }
        if pipeline {
            script.push_str("\\endpipeline\n");
        }
        script
    }
}

/// The literal without colons, each of which would begin a variable of pgbench's.
fn literal(quoted: &str) -> String {
    if !quoted.contains(':') {
        return quoted.to_owned();
    }
    let escaped = quoted.replace('\\', "\\\\").replace(':', "\\x3A");
    format!("E{escaped}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statements_of_one_session_become_a_script() {
        let log = "@@7@ LOG:  statement: BEGIN\n@@8@ LOG:  statement: SELECT 'other'\n\
            @@7@ LOG:  execute s1: SELECT $2::text, $1\n@@7@ DETAIL:  Parameters: $1 = 'me', $2 = '{\"it''s\":1}'\n\
            @@7@ LOG:  statement: COMMIT\n";
        let recording = Recording::read(log, "me")
            .unwrap()
            .then("SELECT 1".to_owned());
        assert_eq!(
            recording.script(false),
            "BEGIN;\nSELECT E'{\"it''s\"\\x3A1}'::text, 'me';\nCOMMIT;\nSELECT 1;\n"
        );
        let script = recording.own("me", "owner").script(true);
        assert!(script.contains("::text, :owner;\n"), "{script}");
        assert!(Recording::read(log, "nobody").is_err());
    }
}
