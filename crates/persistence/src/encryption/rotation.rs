//! Rotation: every tenant gets a new data key, every data key is wrapped by the newest key-encryption key, and every value
//! is encrypted again. What is left to be done follows from the data alone, so a rotation that was interrupted goes on when
//! it is asked for again, and two at once do no harm.

use domain::{
    Acting, Result, SystemPurpose, TenantId,
    ports::Transaction as _,
    secret::{Holder, Row, SEALED, open, open_all, seal, seal_all},
};
use sea_orm::{DbBackend, FromQueryResult, Statement, prelude::Uuid};
use serde_json::{Value, json};

use super::{
    insert_keys, key_statements, task_row,
    tenant_keys::{TenantKeys, exclusive_key_statements, template_row},
};
use crate::{
    Database, SystemTx,
    rows::{first, read},
};

/// Rows encrypted again in one transaction, and tenants looked up at once.
const BATCH: i64 = 50;

const BEGIN: &str = "INSERT INTO key_rotations DEFAULT VALUES ON CONFLICT DO NOTHING";
const UNFINISHED: &str = "SELECT id FROM key_rotations WHERE finished_at IS NULL";
const FINISH: &str = "UPDATE key_rotations SET finished_at = CURRENT_TIMESTAMP WHERE id = $1 AND finished_at IS NULL";

const TENANTS: &str =
    "SELECT id FROM tenants WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2";

const SUPERSEDE: &str = "UPDATE tenant_keys SET state = 'old' WHERE id = $1";
const WRAP: &str = "UPDATE tenant_keys SET wrapped = $2, wrapped_by = $3 WHERE id = $1";

/// The tables with encrypted values: what to read of a tenant's rows (or of the platform's), and how to write it.
const TABLES: [Table; 3] = [
    Table {
        kind: Kind::Service,
        select: "SELECT id, config AS first, NULL::jsonb AS second FROM services \
             WHERE tenant_id = $1 AND config IS NOT NULL AND ($2::uuid IS NULL OR id > $2) \
             ORDER BY id LIMIT $3 FOR NO KEY UPDATE",
        update: "UPDATE services SET config = new.first \
             FROM jsonb_to_recordset($1) AS new (id UUID, first JSONB) WHERE services.id = new.id",
    },
    Table {
        kind: Kind::Template,
        select: "SELECT template.id, template.config AS first, NULL::jsonb AS second \
             FROM service_templates template JOIN users ON users.id = template.created_by \
             WHERE users.tenant_id IS NOT DISTINCT FROM $1 AND template.config IS NOT NULL \
                 AND ($2::uuid IS NULL OR template.id > $2) \
             ORDER BY template.id LIMIT $3 FOR NO KEY UPDATE OF template",
        update: "UPDATE service_templates SET config = new.first \
             FROM jsonb_to_recordset($1) AS new (id UUID, first JSONB) WHERE service_templates.id = new.id",
    },
    Table {
        kind: Kind::Task,
        select: "SELECT id, request AS first, job AS second FROM deployment_tasks \
             WHERE tenant_id = $1 AND (request IS NOT NULL OR job IS NOT NULL) \
                 AND ($2::uuid IS NULL OR id > $2) \
             ORDER BY id LIMIT $3 FOR NO KEY UPDATE",
        update: "UPDATE deployment_tasks SET request = new.first, job = new.second \
             FROM jsonb_to_recordset($1) AS new (id UUID, first JSONB, second JSONB) \
             WHERE deployment_tasks.id = new.id",
    },
];

struct Table {
    kind: Kind,
    select: &'static str,
    update: &'static str,
}

#[derive(Clone, Copy)]
enum Kind {
    Service,
    Template,
    Task,
}

#[derive(FromQueryResult)]
struct Id {
    id: Uuid,
}

#[derive(FromQueryResult)]
struct Stored {
    id: Uuid,
    first: Option<Value>,
    second: Option<Value>,
}

/// What a rotation has done so far.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rotated {
    /// Tenants gone through, and the platform.
    pub owners: u64,
    /// Data keys made.
    pub keys: u64,
    /// Data keys wrapped by the newest key-encryption key.
    pub wrapped: u64,
    /// Rows encrypted again.
    pub rows: u64,
    /// What could not be: `services/<id>`, `tenant_keys/<id>`.
    pub failures: Vec<String>,
}

impl Database {
    /// Goes on with the rotation that was interrupted, or begins a new one, and carries it to its end. `report` is told
    /// after each tenant.
    ///
    /// # Errors
    /// `encryption_unavailable` without a key-encryption key; fails where the database does not answer.
    pub async fn rotate_keys(&self, mut report: impl FnMut(&Rotated)) -> Result<Rotated> {
        self.keyring().newest()?;
        let rotation = self.unfinished_rotation().await?;
        let mut rotated = Rotated::default();
        self.rotate(rotation, None, &mut rotated).await?;
        report(&rotated);
        let mut after: Option<Uuid> = None;
        loop {
            let values = [after.into(), BATCH.into()];
            let tenants = Statement::from_sql_and_values(DbBackend::Postgres, TENANTS, values);
            let [rows] = self.encryption().await?.finish([tenants]).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let Id { id } = read(row)?;
                self.rotate(rotation, Some(TenantId(id)), &mut rotated)
                    .await?;
                report(&rotated);
                after = Some(id);
            }
        }
        let finish = Statement::from_sql_and_values(DbBackend::Postgres, FINISH, [rotation.into()]);
        self.encryption().await?.finish([finish]).await?;
        Ok(rotated)
    }

    async fn unfinished_rotation(&self) -> Result<Uuid> {
        let statements =
            [BEGIN, UNFINISHED].map(|sql| Statement::from_string(DbBackend::Postgres, sql));
        let [_, rows] = self.encryption().await?.finish(statements).await?;
        let rotation: Option<Id> = first(&rows)?;
        Ok(rotation.ok_or_else(|| crate::rows::missing("rotation"))?.id)
    }

    async fn rotate(
        &self,
        rotation: Uuid,
        owner: Option<TenantId>,
        rotated: &mut Rotated,
    ) -> Result<()> {
        self.renew_keys(rotation, owner, rotated).await?;
        for table in &TABLES {
            let mut after = None;
            loop {
                let last = self.encrypt_again(table, owner, after, rotated).await?;
                if last.is_none() {
                    break;
                }
                after = last;
            }
        }
        rotated.owners += 1;
        Ok(())
    }

    /// Nobody writes under the old key any more once this has committed.
    async fn renew_keys(
        &self,
        rotation: Uuid,
        owner: Option<TenantId>,
        rotated: &mut Rotated,
    ) -> Result<()> {
        let transaction = self.encryption().await?;
        let [_, rows] = transaction.rows(exclusive_key_statements(owner)).await?;
        let keys = TenantKeys::read(self.keyring(), &rows)?;
        for row in keys.rows() {
            match self.keyring().wrap_again(row) {
                Ok(None) => {}
                Ok(Some((wrapped_by, wrapped))) => {
                    let values = [row.id.into(), wrapped.into(), wrapped_by.into()];
                    let wrap = Statement::from_sql_and_values(DbBackend::Postgres, WRAP, values);
                    transaction.rows([wrap]).await?;
                    rotated.wrapped += 1;
                }
                Err(error) => failed(rotated, &error, "tenant_keys", row.id),
            }
        }
        let active = keys.active();
        if active.is_none_or(|active| active.rotation_id != Some(rotation)) {
            if let Some(active) = active {
                let id = [active.id.into()];
                let supersede = Statement::from_sql_and_values(DbBackend::Postgres, SUPERSEDE, id);
                transaction.rows([supersede]).await?;
            }
            let key = self.keyring().generate(owner)?;
            transaction
                .rows([insert_keys(&[key], Some(rotation))])
                .await?;
            rotated.keys += 1;
        }
        transaction.commit().await
    }

    /// Encrypts the rows that come after one; the last of them, or none where there is none any more.
    async fn encrypt_again(
        &self,
        table: &Table,
        owner: Option<TenantId>,
        after: Option<Uuid>,
        rotated: &mut Rotated,
    ) -> Result<Option<Uuid>> {
        let transaction = self.encryption().await?;
        let [lock, usable] = key_statements(owner);
        let values = [
            owner.map(|owner| owner.0).into(),
            after.into(),
            BATCH.into(),
        ];
        let select = Statement::from_sql_and_values(DbBackend::Postgres, table.select, values);
        let [_, keys, rows] = transaction.rows([lock, usable, select]).await?;
        let keys = TenantKeys::read(self.keyring(), &keys)?;
        let (mut changed, mut last) = (Vec::new(), None);
        for row in &rows {
            let stored: Stored = read(row)?;
            last = Some(stored.id);
            let row = table.kind.row(owner, stored.id);
            match table.kind.encrypted(&stored, row, &keys) {
                Ok(None) => {}
                Ok(Some(row)) => changed.push(row),
                Err(error) => failed(rotated, &error, row.table, row.id),
            }
        }
        if changed.is_empty() {
            transaction.commit().await?;
            return Ok(last);
        }
        rotated.rows += changed.len() as u64;
        let changed = [Value::from(changed).into()];
        let update = Statement::from_sql_and_values(DbBackend::Postgres, table.update, changed);
        transaction.finish([update]).await?;
        Ok(last)
    }

    pub(super) async fn encryption(&self) -> Result<SystemTx> {
        self.system(SystemPurpose::Encryption, &Acting::product())
            .await
    }
}

fn failed(rotated: &mut Rotated, error: &domain::Error, table: &str, id: Uuid) {
    tracing::warn!(cause = ?error, table, %id, "can't be encrypted again");
    rotated.failures.push(format!("{table}/{id}"));
}

impl Kind {
    fn row(self, owner: Option<TenantId>, id: Uuid) -> Row {
        match (self, owner) {
            (Self::Service, Some(tenant)) => super::service_row(tenant, id.into()),
            (Self::Task, Some(tenant)) => task_row(tenant, id),
            (Self::Template, owner) => template_row(owner, id),
            // The platform has neither, and nothing is read for it.
            (Self::Service | Self::Task, None) => template_row(None, id),
        }
    }

    /// The row with everything encrypted under the active key, where it is not so already.
    fn encrypted(self, stored: &Stored, row: Row, keys: &TenantKeys) -> Result<Option<Value>> {
        let id = stored.id;
        if let Self::Task = self {
            let column = |value: &Option<Value>, pointer: &str| {
                let Some(value) = value else { return Ok(None) };
                if value.get(SEALED).is_some() && keys.is_current(value) {
                    return Ok(Some(value.clone()));
                }
                seal(&open(value, row, pointer, keys)?, row, pointer, keys).map(Some)
            };
            let (request, job) = (
                column(&stored.first, "/request")?,
                column(&stored.second, "/job")?,
            );
            let same = (&request, &job) == (&stored.first, &stored.second);
            return Ok((!same).then(|| json!({"id": id, "first": request, "second": job})));
        }
        let Some(written) = &stored.first else {
            return Ok(None);
        };
        let holder = match self {
            Self::Template => Holder::Template,
            Self::Service | Self::Task => Holder::Service,
        };
        let mut config = written.clone();
        if !keys.is_current(written) {
            open_all(&mut config, row, keys)?;
        }
        seal_all(&mut config, holder, row, keys)?;
        Ok((config != *written).then(|| json!({"id": id, "first": config})))
    }
}
