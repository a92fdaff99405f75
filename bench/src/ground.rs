//! What single figures are measured on: an empty throw-away PostgreSQL, and the server with it.

use std::net::SocketAddr;

use embedded_postgres::Durability;
use tokio_postgres::Client;

use crate::{Result, database::Database, server::Server};

pub struct Ground {
    pub address: SocketAddr,
    server: Server,
    database: Database,
}

impl Ground {
    /// Starts both, the server with these environment variables besides.
    pub async fn prepare(more: &[(&str, &str)]) -> Result<Self> {
        let database = Database::start(Durability::Throwaway).await?;
        let server = Server::start(&database.url(), database.folder.path(), more).await?;
        Ok(Self {
            address: server.address,
            server,
            database,
        })
    }

    pub async fn superuser(&self) -> Result<Client> {
        self.database.superuser().await
    }

    /// Stops the server, then PostgreSQL.
    pub async fn clear(self) -> Result<()> {
        self.server.stop().await?;
        drop(self.database);
        Ok(())
    }
}
