//! One client, who does one thing again and again.

use bytes::Bytes;

use crate::{Result, client::Client};

/// What is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    List,
    Read,
    Create,
    Login,
}

impl Operation {
    pub const ALL: [Self; 4] = [Self::List, Self::Read, Self::Create, Self::Login];

    pub fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Create => "create",
            Self::Login => "login",
        }
    }
}

/// One client's request, to be repeated.
pub struct Worker {
    pub client: Client,
    pub method: &'static str,
    pub path: String,
    pub token: Option<String>,
    pub body: Bytes,
    pub forget: Option<(tokio_postgres::Client, String)>,
}

impl Worker {
    pub async fn work(&mut self) -> Result<()> {
        self.client
            .send(self.method, &self.path, self.token.as_deref(), &self.body)
            .await?;
        if let Some((database, sql)) = &self.forget {
            database.batch_execute(sql).await?;
        }
        Ok(())
    }
}
