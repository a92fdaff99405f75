//! Rates: the least SQL with pgbench, the server's own statements with pgbench, and the server, one after the other in rounds.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    Result,
    database::Database,
    load,
    operation::{Callers, Operation},
    pgbench,
    population::{LEAST, forget, sealed},
    resources::processor_time,
    samples::{Seen, middle},
    server::Server,
};

/// What is compared.
pub struct Contest<'a> {
    pub database: &'a Database,
    pub server: &'a Server,
    pub callers: &'a Arc<Callers>,
    /// The server's own statements for each operation.
    pub own: Vec<(Operation, String)>,
    pub tenants: u32,
    pub fresh: u32,
    pub rounds: usize,
    pub seconds: u64,
    pub clients: &'a [u32],
}

/// One line of the table.
pub struct Row {
    pub operation: Operation,
    pub clients: u32,
    pub least: Option<Seen>,
    pub own: Option<Seen>,
    pub served: Seen,
    /// The processor time a good answer cost: the server's process alone, and the client that asks.
    pub server_time: Duration,
    pub client_time: Duration,
}

/// All rounds of one operation with so many clients.
#[derive(Default)]
struct Rounds {
    least: Vec<Seen>,
    own: Vec<Seen>,
    served: Vec<Seen>,
    server_time: Duration,
    client_time: Duration,
}

impl Contest<'_> {
    pub async fn run(&self) -> Result<Vec<Row>> {
        let program = pgbench::find();
        if program.is_none() {
            println!(
                "pgbench is neither on PATH nor beside PostgreSQL's programs: only the server is measured."
            );
        }
        let mut all: Vec<_> = Operation::ALL
            .into_iter()
            .flat_map(|operation| {
                self.clients
                    .iter()
                    .map(move |clients| (operation, *clients))
            })
            .map(|(operation, clients)| (operation, clients, Rounds::default()))
            .collect();
        for round in 1..=self.rounds {
            println!("Round {round} of {}", self.rounds);
            for (operation, clients, rounds) in &mut all {
                if let Some(program) = &program {
                    rounds
                        .least
                        .push(self.least(program, *operation, *clients).await?);
                    rounds
                        .own
                        .push(self.own(program, *operation, *clients).await?);
                }
                self.served(*operation, *clients, rounds).await?;
                let rate = |runs: &[Seen]| runs.last().map_or(0.0, |seen| seen.rate);
                println!(
                    "{:<11}{clients:>3} clients   least SQL {:>7.0}   own statements {:>7.0}   server {:>7.0} a second",
                    operation.name(),
                    rate(&rounds.least),
                    rate(&rounds.own),
                    rate(&rounds.served),
                );
            }
        }
        all.into_iter()
            .map(|(operation, clients, rounds)| rounds.row(operation, clients))
            .collect()
    }

    async fn least(&self, program: &Path, operation: Operation, clients: u32) -> Result<Seen> {
        if operation == Operation::Create {
            forget(&self.database.superuser_in(LEAST).await?).await?;
        }
        let first = self.tenants + 1;
        self.pgbench(
            program,
            LEAST,
            operation.least(),
            clients,
            (first, self.fresh),
        )
        .await
    }

    async fn own(&self, program: &Path, operation: Operation, clients: u32) -> Result<Seen> {
        let script = self.own.iter().find(|(of, _)| *of == operation);
        let (_, script) = script.ok_or("an operation was not recorded")?;
        let config = self.database.config()?;
        let database = config.get_dbname().unwrap_or_default();
        let readers = u32::try_from(self.callers.readers.len())?;
        let creates = operation == Operation::Create;
        if creates {
            self.empty().await?;
        }
        let range = if creates {
            (readers, self.fresh)
        } else {
            (0, readers)
        };
        let seen = self
            .pgbench(program, database, script, clients, range)
            .await?;
        if creates {
            self.empty().await?;
        }
        Ok(seen)
    }

    async fn pgbench(
        &self,
        program: &Path,
        database: &str,
        script: &str,
        clients: u32,
        (first, count): (u32, u32),
    ) -> Result<Seen> {
        let run = pgbench::Run {
            config: &self.database.config()?,
            database,
            script,
            variables: &[
                ("readers", u32::try_from(self.callers.readers.len())?),
                ("clients", clients),
                ("first", first),
                ("count", count),
                ("turn", 0),
            ],
            clients,
            seconds: self.seconds,
        };
        run.run(program).await
    }

    async fn served(&self, operation: Operation, clients: u32, rounds: &mut Rounds) -> Result<()> {
        let (server, client) = (self.server.process()?, std::process::id());
        let before = (processor_time(server)?, processor_time(client)?);
        let time = Duration::from_secs(self.seconds);
        let callers = self.callers.clone();
        let next = move |turn| operation.request(&callers, turn);
        let seen = load::run(self.server.address, clients, time, next).await?;
        rounds.server_time += processor_time(server)?.saturating_sub(before.0);
        rounds.client_time += processor_time(client)?.saturating_sub(before.1);
        rounds.served.push(seen);
        if operation == Operation::Create {
            self.empty().await?;
        }
        Ok(())
    }

    /// Takes away what was created, and waits until its trail is sealed, which the next run is not to pay.
    async fn empty(&self) -> Result<()> {
        forget(&self.database.superuser().await?).await?;
        sealed(self.database).await
    }
}

impl Rounds {
    fn row(self, operation: Operation, clients: u32) -> Result<Row> {
        let good: u32 = self.served.iter().map(|seen| seen.good).sum();
        let served = middle(self.served).ok_or("there was no round")?;
        Ok(Row {
            operation,
            clients,
            least: middle(self.least),
            own: middle(self.own),
            served,
            server_time: self.server_time / good.max(1),
            client_time: self.client_time / good.max(1),
        })
    }
}
