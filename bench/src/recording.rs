//! What the server sends to PostgreSQL for a request, taken from PostgreSQL's own log, so that pgbench sends the same
//! statements with the same parameters and nobody has to keep a copy of them.
//!
//! A transaction belongs to the request if it names the request's tenant: nobody else works for that tenant meanwhile, since
//! the server that is recorded seals nothing.

use std::fmt::Write as _;

use regex_lite::{Captures, Regex};

use crate::{
    Result,
    client::Client,
    database::Database,
    member::TYPES,
    operation::{Callers, Operation},
    server::Server,
    sign_ins::sign_in_all,
};

/// What the log's entries have to begin with (`log_line_prefix`): a mark and the transaction.
const PREFIX: &str = "@@%v@ ";

/// In a recording the sealer rests.
const RESTING: (&str, &str) = ("NOMAD_SERVICES__AUDIT__SEAL_INTERVAL", "720h");

/// How many transactions of pgbench's go to one caller before it asks for the next, except for creates.
const TURNS: usize = 50;

/// The statements of one request, by transactions, with their parameters filled in.
#[derive(Debug, Eq, PartialEq)]
struct Recording(Vec<Vec<String>>);

/// The scripts for pgbench that do what the server does for each operation.
pub async fn scripts(database: &Database, tenants: u32) -> Result<Vec<(Operation, String)>> {
    let superuser = database.superuser().await?;
    let set = async |all: &str| -> Result<()> {
        for sql in [
            format!("ALTER SYSTEM SET log_line_prefix = '{PREFIX}'"),
            format!("ALTER SYSTEM SET log_statement = '{all}'"),
            "SELECT pg_reload_conf()".to_owned(),
        ] {
            superuser.batch_execute(&sql).await?;
        }
        Ok(())
    };
    let folder = database.folder.path();
    let server = Server::start(&database.url(), folder, &[RESTING]).await?;
    let (callers, _) = sign_in_all(server.address, tenants, 5).await?;
    let mut client = Client::connect(server.address).await?;
    let mut scripts = Vec::new();
    set("all").await?;
    // The server's sessions read it before their next statement, once PostgreSQL has told them.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    for operation in Operation::ALL {
        let creates = operation == Operation::Create;
        let mut recordings = Vec::new();
        for place in 0..if creates { TYPES.len() } else { 1 } {
            let turn = if creates {
                place * callers.fresh.len()
            } else {
                0
            };
            recordings.push(record(database, &mut client, &callers, operation, turn).await?);
        }
        scripts.push((operation, script(&recordings, creates)));
    }
    set("none").await?;
    server.stop().await?;
    Ok(scripts)
}

async fn record(
    database: &Database,
    client: &mut Client,
    callers: &Callers,
    operation: Operation,
    turn: usize,
) -> Result<Recording> {
    let request = operation.request(callers, turn)?.ok_or("no such turn")?;
    let number = match operation {
        Operation::Create => callers.fresh[0].number,
        _ => callers.readers[0].number,
    };
    let mut begins = 0;
    // What is recorded is the second request of its kind, which has nothing to learn first.
    for _ in 0..if operation == Operation::Create { 1 } else { 2 } {
        begins = database.log()?.len();
        client
            .send(
                request.method,
                &request.path,
                request.token.as_deref(),
                &request.body,
            )
            .await?;
    }
    let named = "SELECT tenant_id::text, users.id::text, family_id::text, \
            COALESCE((SELECT id::text FROM services WHERE tenant_id = users.tenant_id AND type = $2), '') \
        FROM users JOIN refresh_tokens ON user_id = users.id WHERE username = $1";
    let log = database.log()?;
    let superuser = database.superuser().await?;
    let user = format!("user-{number}");
    let service_type = TYPES[turn / callers.fresh.len() % TYPES.len()];
    let row = superuser.query_one(named, &[&user, &service_type]).await?;
    let tenant: String = row.get(0);
    let mut recording = Recording::read(&log[begins..], &tenant)?;
    for (place, name) in ["tenant", "person", "session", "service"]
        .iter()
        .enumerate()
    {
        let name = match operation {
            Operation::Create if *name == "service" => {
                format!("service{}", turn / callers.fresh.len())
            }
            _ => (*name).to_owned(),
        };
        recording.name(&row.get::<_, String>(place), &name);
    }
    Ok(recording)
}

impl Recording {
    /// Reads from `log` the transactions that mention `marker`, in the order in which they began.
    fn read(log: &str, marker: &str) -> Result<Self> {
        let executed = Regex::new(r"(?s)^LOG:  (?:statement|execute [^:]+): (.*)$")?;
        let detail = Regex::new(r"(?s)^DETAIL:  [Pp]arameters: (.*)$")?;
        let parameter = Regex::new(r"\$\d+ = ('(?:[^']|'')*'|NULL)")?;
        let place = Regex::new(r"\$(\d+)")?;
        let mut transactions: Vec<(&str, Vec<String>)> = Vec::new();
        for entry in log.split("@@") {
            let Some((transaction, entry)) = entry.trim_end().split_once("@ ") else {
                continue;
            };
            let known = transactions.iter().position(|(id, _)| *id == transaction);
            let known = known.unwrap_or_else(|| {
                transactions.push((transaction, Vec::new()));
                transactions.len() - 1
            });
            let statements = &mut transactions[known].1;
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
        let statements = transactions.into_iter().map(|(_, statements)| statements);
        let statements: Vec<_> = statements.filter(mentions).collect();
        if statements.is_empty() {
            return Err("PostgreSQL's log does not show the request".into());
        }
        Ok(Self(statements))
    }

    /// Puts pgbench's variable of this name wherever a parameter is `value`.
    fn name(&mut self, value: &str, name: &str) {
        for statement in self.0.iter_mut().flatten() {
            *statement = statement.replace(&format!("'{value}'"), &format!(":{name}"));
        }
    }
}

/// A transaction of pgbench's that does what one of the recordings did, one after the other, each for another caller once all
/// were done. Looking callers up is an answer more to wait for, once in that many transactions.
fn script(recordings: &[Recording], creates: bool) -> String {
    let turns = if creates { recordings.len() } else { TURNS };
    let mut script = format!(
        "\\if :turn % {turns} = 0\n\
        \\set place :first + (:turn / {turns} * :clients + :client_id) % :count\n\
        SET ROLE NONE;\n\
        SELECT tenant, person, session, service"
    );
    for number in 0..recordings.len() {
        let _ = write!(script, ", gen_random_uuid()::text AS service{number}");
    }
    script.push_str(
        " FROM bench.callers WHERE place = :place \\gset\nSET ROLE nomad_services_app;\n\\endif\n",
    );
    for (number, recording) in recordings.iter().enumerate() {
        let _ = writeln!(script, "\\if :turn % {} = {number}", recordings.len());
        for transaction in &recording.0 {
            script.push_str("\\startpipeline\n");
            for statement in transaction {
                let _ = writeln!(script, "{};", statement.replace('\n', " "));
            }
            script.push_str("\\endpipeline\n");
        }
        script.push_str("\\endif\n");
    }
    script.push_str("\\set turn :turn + 1\n");
    script
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

    const LOG: &str = "@@7/1@ LOG:  statement: BEGIN\n@@8/4@ LOG:  statement: SELECT 'other'\n\
        @@7/1@ LOG:  execute s1: SELECT $2::text, $1\n@@7/1@ DETAIL:  Parameters: $1 = 'me', $2 = '{\"it''s\":1}'\n\
        @@7/1@ LOG:  statement: COMMIT\n@@7/2@ LOG:  statement: SELECT 'another transaction of the session'\n";

    #[test]
    fn the_transactions_that_name_the_tenant_are_recorded() {
        let recorded = vec![vec![
            "BEGIN".to_owned(),
            "SELECT E'{\"it''s\"\\x3A1}'::text, 'me'".to_owned(),
            "COMMIT".to_owned(),
        ]];
        assert_eq!(Recording::read(LOG, "me").unwrap(), Recording(recorded));
        assert!(Recording::read(LOG, "nobody").is_err());
    }

    #[test]
    fn a_script_pipelines_each_transaction_and_names_its_caller() {
        let mut recording = Recording::read(LOG, "me").unwrap();
        recording.name("me", "tenant");
        let script = script(&[recording], false);
        assert!(
            script.contains("\\startpipeline\nBEGIN;\nSELECT E'{\"it''s\"\\x3A1}'::text, :tenant;\nCOMMIT;\n\\endpipeline\n"),
            "{script}"
        );
    }
}
