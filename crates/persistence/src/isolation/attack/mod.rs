//! The attack of one tenant on another, tried on a real database in a transaction that is taken back: reading, changing
//! and inserting rows across tenants, pointing at them, and whatever else could lead past row-level security.

mod attempts;
mod rows;

use std::fmt;

use domain::Error;

use self::{
    attempts::{Stage, Table, any_rows},
    rows::{Party, ROWS},
};
use super::Finding;
use crate::{
    Database,
    connection::{Outcome, Trial},
};

/// In no tenant's context, after one has ended.
const NO_CONTEXT: &str =
    "SET LOCAL ROLE nomad_services_app; SET LOCAL app.tenant_id = ''; SET LOCAL app.user_id = ''";

/// As the session begins.
const AS_IT_BEGINS: &str = "SELECT";

/// How an attempt ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It came to nothing.
    Held,
    /// It is possible, and worth knowing, and no way from one tenant to another.
    Noted,
    /// It could not be tried.
    Untried,
    /// A way from one tenant to another.
    Broken,
}

/// One thing that was tried.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The table, role, policy or function.
    pub object: String,
    /// What was tried with it.
    pub tried: String,
    /// What came of it.
    pub outcome: String,
    /// What that means.
    pub verdict: Verdict,
}

impl Verdict {
    /// A word for people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "ok",
            Self::Noted => "note",
            Self::Untried => "untried",
            Self::Broken => "FOUND",
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            object,
            tried,
            outcome,
            verdict,
        } = self;
        let word = verdict.as_str();
        write!(formatter, "{word:<7} {object}: {tried}: {outcome}")
    }
}

impl Attempt {
    fn new(object: &str, tried: &str, outcome: String, verdict: Verdict) -> Self {
        Self {
            object: object.to_owned(),
            tried: tried.to_owned(),
            outcome,
            verdict,
        }
    }

    /// Held where nothing was shown or changed, or where PostgreSQL refused for the caller's want of a right or for the row.
    fn judged(object: &str, tried: &str, outcome: &Outcome) -> Self {
        let (text, verdict) = match outcome {
            Outcome::Rows(0) => ("0 rows".to_owned(), Verdict::Held),
            Outcome::Rows(1) => ("1 row".to_owned(), Verdict::Broken),
            Outcome::Rows(count) => (format!("{count} rows"), Verdict::Broken),
            Outcome::Refused { code, message } => {
                let verdict = match code.as_str() {
                    // For want of a privilege or by a policy; by what refuses references to another tenant's row.
                    "42501" | "23503" => Verdict::Held,
                    // By another row or a bound of the table, which would have to be out of the way.
                    "23505" | "23514" => Verdict::Untried,
                    // An error that nobody meant, such as a cast in a policy.
                    _ => Verdict::Broken,
                };
                (format!("refused ({code}): {message}"), verdict)
            }
        };
        Self::new(object, tried, text, verdict)
    }

    fn of_rule(finding: &Finding) -> Self {
        let remedy = format!("{}; {}", finding.problem, finding.remedy);
        Self::new(
            &finding.object,
            "read the catalogue",
            remedy,
            Verdict::Broken,
        )
    }
}

impl Database {
    /// Tries everything. Nothing of it stays.
    ///
    /// # Errors
    /// `database_unavailable`, or where the two tenants can't be made.
    pub async fn attack(&self) -> Result<Vec<Attempt>, Error> {
        let mut attempts = self.read_catalogue().await?;
        let trial = Trial::new(self).await?;
        let (victim, attacker) = (Party::new(&trial).await?, Party::new(&trial).await?);
        trial.begin().await?;
        let tables = Table::all(&trial).await?;
        attempts.extend(any_rows(&trial, &tables, "read any row in a new session").await?);
        trial.run("ROLLBACK").await?;
        // A context that is committed, and should be gone then.
        trial.begin().await?;
        trial.run(&victim.context()).await?;
        trial.run("COMMIT").await?;

        trial.begin().await?;
        let tried = "read any row after a context has ended";
        attempts.extend(any_rows(&trial, &tables, tried).await?);
        for row in ROWS {
            victim.make_row(&trial, *row).await?;
        }
        let mut foreign = Vec::new();
        for table in &tables {
            foreign.push(table.rows_made_for(&trial, &victim).await?);
        }
        for row in ROWS {
            // Before its own is there, which would be in the way.
            attempts.extend(attempts::insert(&trial, row, &victim, &attacker).await?);
            attacker.make_row(&trial, *row).await?;
        }
        for (table, foreign) in tables.iter().zip(foreign) {
            let own = table.rows_made_for(&trial, &attacker).await?;
            let stage = Stage {
                table,
                victim: &victim,
                attacker: &attacker,
                foreign,
                own,
            };
            attempts.extend(stage.play(&trial).await?);
        }
        attempts.extend(attempts::beyond_tables(&trial, &attacker).await?);
        attempts.sort_by(|one, other| one.object.cmp(&other.object));
        Ok(attempts)
    }

    async fn read_catalogue(&self) -> Result<Vec<Attempt>, Error> {
        let standing = self.isolation().await?;
        let mut attempts: Vec<_> = standing.findings.iter().map(Attempt::of_rule).collect();
        if attempts.is_empty() {
            let what = "read what roles, tables, policies, views, functions and grants allow";
            let outcome = "0 findings".to_owned();
            attempts.push(Attempt::new("catalogue", what, outcome, Verdict::Held));
        }
        let notes = standing.warnings.iter().map(|warning| Attempt {
            verdict: Verdict::Noted,
            ..Attempt::of_rule(warning)
        });
        attempts.extend(notes);
        Ok(attempts)
    }
}
