//! The data keys there are, what still needs them, and the end of those that nothing needs.

use chrono::{DateTime, Utc};
use domain::{Error, ErrorKind, Result, TenantId, ports::Transaction as _, secret::KeyId};
use entity::tenant_key::{self, KeyState};
use postgres_connection::Row;
use sea_orm::{ActiveEnum, DbBackend, FromQueryResult, Statement, prelude::Uuid};

use super::tenant_keys::exclusive_key_statements;
use crate::{
    Database,
    rows::{first, read},
};

const FIND: &str = "SELECT * FROM tenant_keys WHERE id = $1";

const LIST: &str = "SELECT * FROM tenant_keys \
     WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3";

/// Rows that hold a value encrypted under a key.
const USES: &str = "SELECT \
     (SELECT COUNT(*) FROM services \
         WHERE tenant_id IS NOT DISTINCT FROM $2 AND jsonb_path_exists(config, {PATH})) \
     + (SELECT COUNT(*) FROM service_templates template JOIN users ON users.id = template.created_by \
         WHERE users.tenant_id IS NOT DISTINCT FROM $2 AND jsonb_path_exists(template.config, {PATH})) \
     + (SELECT COUNT(*) FROM deployment_tasks \
         WHERE tenant_id IS NOT DISTINCT FROM $2 \
             AND (jsonb_path_exists(request, {PATH}) OR jsonb_path_exists(job, {PATH}))) AS uses";

const PATH: &str = r#"'$.**."$enc"."kid" ? (@ == $kid)', jsonb_build_object('kid', $1::text)"#;

const RETIRE: &str = "UPDATE tenant_keys SET state = 'retired', wrapped = NULL, retired_at = CURRENT_TIMESTAMP \
     WHERE id = $1 AND state = 'old' RETURNING id";

const SUMMARY: &str = "SELECT state, wrapped_by, COUNT(*) AS count FROM tenant_keys \
     GROUP BY state, wrapped_by ORDER BY state, wrapped_by";

const ROTATION: &str = "SELECT started_at FROM key_rotations WHERE finished_at IS NULL";

/// A data key, as its operator sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyStanding {
    /// Its id.
    pub id: KeyId,
    /// Whose it is; none is the platform's.
    pub tenant: Option<TenantId>,
    /// Counts the keys of one tenant.
    pub version: i32,
    /// `active`, `old` or `retired`.
    pub state: String,
    /// The key-encryption key that wraps it.
    pub wrapped_by: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What became of a key that was to be retired.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retired {
    /// It has ended.
    Now,
    /// It had ended before.
    Before,
}

/// How many data keys are alike.
#[derive(Clone, Debug, Eq, FromQueryResult, PartialEq)]
pub struct KeyCount {
    /// `active`, `old` or `retired`.
    pub state: String,
    /// The key-encryption key that wraps them, or did.
    pub wrapped_by: String,
    /// How many.
    pub count: i64,
}

#[derive(FromQueryResult)]
struct Uses {
    uses: i64,
}

#[derive(FromQueryResult)]
struct Rotation {
    started_at: chrono::NaiveDateTime,
}

fn standing(row: &Row) -> Result<KeyStanding> {
    let row: tenant_key::Model = read(row)?;
    Ok(KeyStanding {
        id: KeyId(row.id),
        tenant: row.tenant_id.map(TenantId),
        version: row.version,
        state: row.state.to_value(),
        wrapped_by: row.wrapped_by,
        created_at: row.created_at.and_utc(),
    })
}

fn uses(id: KeyId, owner: Option<Uuid>) -> Statement {
    let sql = USES.replace("{PATH}", PATH);
    let values = [id.to_string().into(), owner.into()];
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

impl Database {
    /// At most `limit` data keys, of one tenant or of all, in the order of their ids, after one of them.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn data_keys(
        &self,
        tenant: Option<TenantId>,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<KeyStanding>> {
        let (tenant, after) = (tenant.map(|tenant| tenant.0), after.map(|after| after.0));
        let values = [tenant.into(), after.into(), i64::from(limit).into()];
        let list = Statement::from_sql_and_values(DbBackend::Postgres, LIST, values);
        let [rows] = self.encryption().await?.finish([list]).await?;
        rows.iter().map(standing).collect()
    }

    /// How many data keys there are of each state and key-encryption key.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn summarise_data_keys(&self) -> Result<Vec<KeyCount>> {
        let statement = Statement::from_string(DbBackend::Postgres, SUMMARY);
        let [rows] = self.encryption().await?.finish([statement]).await?;
        rows.iter().map(read).collect()
    }

    /// How many rows hold values that are encrypted under a key.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn uses_of_data_key(&self, key: &KeyStanding) -> Result<u64> {
        let statement = uses(key.id, key.tenant.map(|tenant| tenant.0));
        let [rows] = self.encryption().await?.finish([statement]).await?;
        count(&rows)
    }

    /// Since when a rotation is under way, or waits to be gone on with.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn rotation_since(&self) -> Result<Option<DateTime<Utc>>> {
        let statement = Statement::from_string(DbBackend::Postgres, ROTATION);
        let [rows] = self.encryption().await?.finish([statement]).await?;
        let rotation: Option<Rotation> = first(&rows)?;
        Ok(rotation.map(|rotation| rotation.started_at.and_utc()))
    }

    /// Ends an old data key: it is removed, and with it whatever a backup holds of values that were encrypted under it.
    ///
    /// # Errors
    /// `not_found`; `key_in_use` for the active key, and while any value is encrypted under it.
    pub async fn retire_data_key(&self, id: KeyId) -> Result<Retired> {
        let in_use = |detail: String| Error::conflict("key_in_use", detail);
        let find = || Statement::from_sql_and_values(DbBackend::Postgres, FIND, [id.0.into()]);
        let transaction = self.encryption().await?;
        let [rows] = transaction.rows([find()]).await?;
        let key: Option<tenant_key::Model> = first(&rows)?;
        let key = key.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                "not_found",
                "there is no such data key",
            )
        })?;
        let owner = key.tenant_id;
        let [lock, _] = exclusive_key_statements(owner.map(TenantId));
        let [_, rows, used] = transaction.rows([lock, find(), uses(id, owner)]).await?;
        let key: Option<tenant_key::Model> = first(&rows)?;
        match key.map(|key| key.state) {
            Some(KeyState::Retired) => return transaction.commit().await.map(|()| Retired::Before),
            Some(KeyState::Active) | None => {
                let detail = "it is the active key: `keys rotate` makes another";
                return Err(in_use(detail.to_owned()));
            }
            Some(KeyState::Old) => {}
        }
        let used = count(&used)?;
        if used > 0 {
            return Err(in_use(format!(
                "values of {used} rows are encrypted under it: `keys rotate` encrypts them again"
            )));
        }
        let retire = Statement::from_sql_and_values(DbBackend::Postgres, RETIRE, [id.0.into()]);
        transaction.finish([retire]).await?;
        Ok(Retired::Now)
    }
}

fn count(rows: &[Row]) -> Result<u64> {
    let uses: Option<Uses> = first(rows)?;
    let uses = uses.map(|uses| uses.uses).unwrap_or_default();
    u64::try_from(uses).map_err(Error::internal)
}
