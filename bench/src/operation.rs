//! What is measured: each operation as a request, and as the least SQL that does it.

use bytes::Bytes;

use crate::{
    Result,
    member::{TYPES, service},
};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    List,
    Read,
    AuditPage,
    Create,
}

/// Somebody who has signed in: which of the numbered users, and with which token.
#[derive(Clone)]
pub struct Caller {
    pub number: u32,
    pub token: String,
    /// One of the tenant's services; empty where there is none.
    pub service: String,
}

/// Who asks: those whose tenants have six services, and those whose tenants have none.
#[derive(Clone)]
pub struct Callers {
    pub readers: Vec<Caller>,
    pub fresh: Vec<Caller>,
}

pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub token: Option<String>,
    pub body: Bytes,
}

impl Operation {
    pub const ALL: [Self; 4] = [Self::List, Self::Read, Self::AuditPage, Self::Create];

    pub fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Read => "read",
            Self::AuditPage => "audit page",
            Self::Create => "create",
        }
    }

    /// For pgbench: one transaction, as row-level security asks for it.
    pub fn least(self) -> &'static str {
        match self {
            Self::List => include_str!("sql/list.sql"),
            Self::Read => include_str!("sql/read.sql"),
            Self::AuditPage => include_str!("sql/audit_page.sql"),
            Self::Create => include_str!("sql/create.sql"),
        }
    }

    /// The request of this turn; none once each tenant has one service of every type.
    pub fn request(self, callers: &Callers, turn: usize) -> Result<Option<Request>> {
        // Another tenant each time, far from the one before.
        let reader = &callers.readers[turn.wrapping_mul(7919) % callers.readers.len()];
        let get = |path| Request {
            method: "GET",
            path,
            token: Some(reader.token.clone()),
            body: Bytes::new(),
        };
        Ok(Some(match self {
            Self::List => get("/services".to_owned()),
            Self::Read => get(format!("/services/{}", reader.service)),
            Self::AuditPage => get("/audit-logs?limit=20".to_owned()),
            Self::Create => {
                let Some(service_type) = TYPES.get(turn / callers.fresh.len()) else {
                    return Ok(None);
                };
                Request {
                    method: "POST",
                    path: "/services".to_owned(),
                    token: Some(callers.fresh[turn % callers.fresh.len()].token.clone()),
                    body: serde_json::to_vec(&service(service_type))?.into(),
                }
            }
        }))
    }
}
