//! The audit logs of every tenant and of the platform, for whoever operates the installation.

use std::ops::Range;

use domain::{
    Acting, Result, SystemPurpose,
    audit_log::{AuditLogFilter, Log},
};
use sea_orm::{DbBackend, FromQueryResult, Statement, prelude::Uuid};
use transparency_log::Leaf;

use crate::{
    Database,
    audit_logs::{Leaves, sealed},
    audit_seal::{hashes, hashes_at, log, unsigned},
    rows::read,
};

const HEADS: &str = "SELECT DISTINCT ON (tenant_id) tenant_id, tree_size, note FROM audit_checkpoints \
     ORDER BY tenant_id, tree_size DESC, created_at DESC";

/// A log and its newest head.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealedLog {
    /// Whose it is.
    pub log: Log,
    /// How many rows it has.
    pub size: u64,
    /// The checkpoint.
    pub note: String,
}

#[derive(FromQueryResult)]
struct Head {
    tenant_id: Uuid,
    tree_size: i64,
    note: String,
}

impl Database {
    /// Every log that has been sealed at all.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn sealed_logs(&self) -> Result<Vec<SealedLog>> {
        let transaction = self
            .system(SystemPurpose::AuditExport, &Acting::product())
            .await?;
        let heads = Statement::from_string(DbBackend::Postgres, HEADS);
        let [rows] = transaction.finish([heads]).await?;
        let sealed = rows.iter().map(|row| {
            let head: Head = read(row)?;
            Ok(SealedLog {
                log: log(head.tenant_id),
                size: unsigned(head.tree_size)?,
                note: head.note,
            })
        });
        sealed.collect()
    }

    /// Up to `limit` rows of a log in its order, those with a place in `places`.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn sealed_rows(&self, log: Log, places: Range<u64>, limit: u64) -> Result<Vec<Leaf>> {
        let transaction = self
            .system(SystemPurpose::AuditExport, &Acting::product())
            .await?;
        let statement = sealed(log, &AuditLogFilter::default(), places, limit)?;
        let [rows] = transaction.rows([statement]).await?;
        let leaves = Leaves::of(&rows)?;
        let statement = hashes_at(log, &leaves.positions())?;
        let [rows] = transaction.finish([statement]).await?;
        Ok(leaves.after(&hashes(&rows)?))
    }
}
