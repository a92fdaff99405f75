//! Whether the key-encryption keys of this process fit what the database holds. The platform's own data key is the canary:
//! it is there from the first start on, and whoever can't unwrap it has the wrong key and must not write.

use domain::{Acting, Error, Result, SystemPurpose, TenantId, ports::Transaction as _};
use entity::tenant_key;
use sea_orm::{DbBackend, FromQueryResult, Statement, prelude::Uuid};

use super::{insert_keys, key_statements, tenant_keys::TenantKeys};
use crate::{Database, rows::read};

/// Tenants that get their first key at once.
const BATCH: usize = 500;

const WRAPPED_BY: &str =
    "SELECT DISTINCT wrapped_by FROM tenant_keys WHERE state <> 'retired' ORDER BY wrapped_by";

const KEYLESS: &str = "SELECT id FROM tenants WHERE NOT EXISTS ( \
         SELECT FROM tenant_keys WHERE tenant_id = tenants.id AND state = 'active' \
     ) LIMIT $1";

/// Whether values can be encrypted and decrypted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Readiness {
    /// They can.
    Ready,
    /// They can't, because of this.
    Unready(String),
}

#[derive(FromQueryResult)]
struct Wrapping {
    wrapped_by: String,
}

#[derive(FromQueryResult)]
struct Keyless {
    id: Uuid,
}

impl Database {
    /// Whether any data key exists, and so anything that may be encrypted.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn has_data_keys(&self) -> Result<bool> {
        Ok(!self.wrapped_by().await?.is_empty())
    }

    /// Reads the key-encryption keys again and compares them with what the database holds. It changes nothing.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn encryption_readiness(&self) -> Result<Readiness> {
        let keyring = self.keyring();
        if let Err(reason) = keyring.reload() {
            return Ok(Readiness::Unready(reason));
        }
        let wrapped_by = self.wrapped_by().await?;
        let missing: Vec<_> = wrapped_by
            .into_iter()
            .filter(|id| !keyring.has(id))
            .collect();
        if !missing.is_empty() {
            return Ok(Readiness::Unready(format!(
                "data keys are wrapped by the key-encryption key {}, and there is only {}",
                missing.join(", "),
                keyring.ids().join(", ")
            )));
        }
        let [lock, usable] = key_statements(None);
        let transaction = self
            .system(SystemPurpose::Encryption, &Acting::product())
            .await?;
        let [_, rows] = transaction.finish([lock, usable]).await?;
        let rows: Vec<tenant_key::Model> = rows.iter().map(read).collect::<Result<_>>()?;
        for row in &rows {
            if let Err(error) = keyring.unwrap(row) {
                let (id, wrapped_by) = (row.id, &row.wrapped_by);
                tracing::warn!(cause = ?error, "the platform's data key can't be unwrapped");
                return Ok(Readiness::Unready(format!(
                    "the platform's data key {id} can't be unwrapped by the key-encryption key {wrapped_by}: one of both was changed"
                )));
            }
        }
        Ok(Readiness::Ready)
    }

    /// Makes the platform's data key, and one for each tenant that has none.
    ///
    /// # Errors
    /// `encryption_unavailable` without a key-encryption key.
    pub async fn make_missing_data_keys(&self) -> Result<()> {
        let transaction = self
            .system(SystemPurpose::Encryption, &Acting::product())
            .await?;
        let [_, rows] = transaction.rows(key_statements(None)).await?;
        if TenantKeys::read(self.keyring(), &rows)?.active().is_none() {
            let key = self.keyring().generate(None)?;
            transaction.finish([insert_keys(&[key], None)]).await?;
        } else {
            transaction.commit().await?;
        }
        loop {
            let transaction = self
                .system(SystemPurpose::Encryption, &Acting::product())
                .await?;
            let limit = i64::try_from(BATCH).map_err(Error::internal)?;
            let keyless =
                Statement::from_sql_and_values(DbBackend::Postgres, KEYLESS, [limit.into()]);
            let [rows] = transaction.rows([keyless]).await?;
            if rows.is_empty() {
                return transaction.commit().await;
            }
            let keys = rows.iter().map(|row| {
                let Keyless { id } = read(row)?;
                self.keyring().generate(Some(TenantId(id)))
            });
            let keys = keys.collect::<Result<Vec<_>>>()?;
            transaction.finish([insert_keys(&keys, None)]).await?;
        }
    }

    async fn wrapped_by(&self) -> Result<Vec<String>> {
        let statement = Statement::from_string(DbBackend::Postgres, WRAPPED_BY);
        let transaction = self
            .system(SystemPurpose::Encryption, &Acting::product())
            .await?;
        let [rows] = transaction.finish([statement]).await?;
        rows.iter()
            .map(|row| Ok(read::<Wrapping>(row)?.wrapped_by))
            .collect()
    }
}
