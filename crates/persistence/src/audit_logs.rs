//! The audit trail of the caller's tenant, and the proofs that it is whole.

use std::ops::Range;

use domain::{
    AuditLog, Error, TenantId, UserId,
    audit_log::{AuditLogFilter, AuditLogPlace, Log, ports::AuditLogReads},
    page::{Page, PageRequest},
    policy::Actor,
};
use entity::audit_log::{COLUMN, Column, Entity};
use postgres_connection::Row;
use sea_orm::{
    Condition, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryTrait, Statement,
    prelude::Uuid,
};
use transparency_log::{
    Hash, Leaf,
    tree::{Consistency, Hashes, Inclusion, Proof, leaf_position},
};

use crate::{
    TenantRead,
    audit_seal::{hashes, hashes_at, log_id, signed, unsigned},
    page::{self, Estimate},
    rows::{column, first, missing, read, timestamp},
};

#[derive(FromQueryResult)]
struct Place {
    leaf_index: i64,
}

#[derive(FromQueryResult)]
struct Newest {
    tree_size: i64,
}

#[derive(FromQueryResult)]
struct Note {
    note: String,
}

const PLACE: &str = "SELECT leaf_index FROM audit_leaves WHERE audit_log_id = $1";

const NEWEST: &str = "SELECT tree_size FROM audit_checkpoints ORDER BY tree_size DESC LIMIT 1";

/// What is in the tenant's log and was not archived: all but what was written in the last seconds.
const LOGGED: &str = "SELECT tree_size - COALESCE((SELECT MAX(end_index) FROM audit_archives), 0) \
     FROM audit_checkpoints ORDER BY tree_size DESC LIMIT 1";

const NOTE: &str = "SELECT note FROM audit_checkpoints WHERE $1::bigint IS NULL OR tree_size = $1 \
     ORDER BY tree_size DESC, created_at DESC LIMIT 1";

const SEALED: &str = "SELECT audit_logs.*, leaf_index \
     FROM audit_leaves JOIN audit_logs ON audit_logs.id = audit_leaves.audit_log_id \
     WHERE audit_leaves.tenant_id = $9 AND leaf_index >= $1 AND leaf_index < $2 AND ($3::uuid IS NULL OR user_id = $3) \
         AND ($4::text IS NULL OR action = $4) AND ($5::text IS NULL OR resource = $5) \
         AND ($6::timestamp IS NULL OR audit_logs.created_at >= $6) \
         AND ($7::timestamp IS NULL OR audit_logs.created_at < $7) \
     ORDER BY leaf_index LIMIT $8";

/// What a list of the trail is ordered by.
const KEY: (Column, Column) = (Column::CreatedAt, Column::Id);

pub(crate) fn audit_log(row: &Row) -> Result<AuditLog, Error> {
    let tenant: Option<Uuid> = column(row, "tenant_id")?;
    Ok(AuditLog {
        id: column(row, "id")?,
        user_id: UserId(column(row, "user_id")?),
        tenant_id: tenant.map(TenantId),
        action: column(row, "action")?,
        resource: column(row, "resource")?,
        details: column(row, "details")?,
        ip_address: column(row, "ip_address")?,
        user_agent: column(row, "user_agent")?,
        created_at: timestamp(column(row, "created_at")?)?,
    })
}

fn newest() -> Statement {
    Statement::from_string(DbBackend::Postgres, NEWEST)
}

/// The size of the newest tree.
fn size(rows: &[Row]) -> Result<u64, Error> {
    let newest: Option<Newest> = first(rows)?;
    newest.map_or(Ok(0), |newest| unsigned(newest.tree_size))
}

/// Sealed rows in the order of their log.
pub(crate) fn sealed(
    log: Log,
    filter: &AuditLogFilter,
    places: Range<u64>,
    limit: u64,
) -> Result<Statement, Error> {
    Ok(Statement::from_sql_and_values(
        DbBackend::Postgres,
        SEALED,
        [
            signed(places.start)?.into(),
            signed(places.end)?.into(),
            filter.user_id.map(|user| user.0).into(),
            filter.action.clone().into(),
            filter.resource.clone().into(),
            filter.from.map(|from| from.naive_utc()).into(),
            filter.to.map(|to| to.naive_utc()).into(),
            signed(limit)?.into(),
            log_id(log).into(),
        ],
    ))
}

/// Rows in their places, before the hashes that their leaves need are read.
pub(crate) struct Leaves(Vec<(u64, AuditLog)>);

impl Leaves {
    pub(crate) fn of(rows: &[Row]) -> Result<Self, Error> {
        let leaf = |row: &Row| {
            let place: Place = read(row)?;
            Ok((unsigned(place.leaf_index)?, audit_log(row)?))
        };
        rows.iter().map(leaf).collect::<Result<_, _>>().map(Self)
    }

    /// Where the hash of the leaf before each of them is.
    pub(crate) fn positions(&self) -> Vec<u64> {
        let before = self.0.iter().filter_map(|(index, _)| index.checked_sub(1));
        before.map(leaf_position).collect()
    }

    /// The leaves. A hash that is missing breaks one, and whoever checks it sees that.
    pub(crate) fn after(self, hashes: &Hashes) -> Vec<Leaf> {
        let leaves = self.0.into_iter().map(|(index, row)| Leaf {
            index,
            previous: index
                .checked_sub(1)
                .and_then(|before| hashes.0.get(&leaf_position(before)).copied()),
            row,
        });
        leaves.collect()
    }
}

impl AuditLogReads for TenantRead {
    type Leaf = Leaf;
    type Hash = Hash;

    async fn list_audit_logs(
        &self,
        filter: &AuditLogFilter,
        request: PageRequest,
    ) -> Result<(Actor, Page<AuditLog>), Error> {
        let select = Entity::find().filter(condition(filter));
        let estimate = if filter.is_empty() {
            Estimate::Query(LOGGED)
        } else {
            Estimate::AtLeast
        };
        let statements = page::statements(select, KEY, estimate, request);
        let (actor, [list, count]) = self.fetch(statements).await?;
        let page = page::read(&list, &count, request, audit_log)?;
        Ok((actor, page))
    }

    async fn audit_log(&self, id: Uuid) -> Result<(Actor, Option<AuditLog>), Error> {
        let find = Entity::find_by_id(id).build(DbBackend::Postgres);
        let (actor, [rows]) = self.fetch([find]).await?;
        Ok((actor, rows.first().map(audit_log).transpose()?))
    }

    async fn audit_log_size(&self) -> Result<(Actor, u64), Error> {
        let (actor, [rows]) = self.fetch([newest()]).await?;
        Ok((actor, size(&rows)?))
    }

    async fn sealed_audit_logs(
        &self,
        filter: &AuditLogFilter,
        places: Range<u64>,
        limit: u64,
    ) -> Result<(Actor, Vec<Leaf>), Error> {
        let log = Some(self.tenant());
        let (actor, [rows]) = self.fetch([sealed(log, filter, places, limit)?]).await?;
        let leaves = Leaves::of(&rows)?;
        let (_, hashes) = self.audit_hashes(&leaves.positions()).await?;
        Ok((actor, leaves.after(&hashes)))
    }

    async fn audit_log_place(&self, id: Uuid) -> Result<(Actor, Option<AuditLogPlace>), Error> {
        let find = Entity::find_by_id(id).build(DbBackend::Postgres);
        let place = Statement::from_sql_and_values(DbBackend::Postgres, PLACE, [id.into()]);
        let (actor, [row, place, newest]) = self.fetch([find, place, newest()]).await?;
        let place: Option<Place> = first(&place)?;
        if row.is_empty() && place.is_none() {
            return Ok((actor, None));
        }
        let place = AuditLogPlace {
            leaf_index: place.map(|place| unsigned(place.leaf_index)).transpose()?,
            newest: size(&newest)?,
        };
        Ok((actor, Some(place)))
    }

    async fn audit_inclusion(
        &self,
        leaf_index: u64,
        tree_size: u64,
    ) -> Result<(Hash, Vec<Hash>), Error> {
        let inclusion = Inclusion {
            leaf_index,
            tree_size,
        };
        let leaf = leaf_position(inclusion.leaf_index);
        let mut positions = inclusion.positions().map_err(Error::internal)?;
        positions.push(leaf);
        let (_, stored) = self.audit_hashes(&positions).await?;
        let proof = inclusion.prove(&stored).map_err(Error::internal)?;
        let hash = stored.0.get(&leaf).ok_or_else(|| missing("hash"))?;
        Ok((*hash, proof))
    }

    async fn audit_consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, Error> {
        let consistency = Consistency { from, to };
        let positions = consistency.positions().map_err(Error::internal)?;
        let (_, stored) = self.audit_hashes(&positions).await?;
        consistency.prove(&stored).map_err(Error::internal)
    }

    async fn audit_checkpoint(&self, size: Option<u64>) -> Result<(Actor, Option<String>), Error> {
        let size = size.map(signed).transpose()?;
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, NOTE, [size.into()]);
        let (actor, [rows]) = self.fetch([statement]).await?;
        let note: Option<Note> = first(&rows)?;
        Ok((actor, note.map(|note| note.note)))
    }
}

impl TenantRead {
    async fn audit_hashes(&self, positions: &[u64]) -> Result<(Actor, Hashes), Error> {
        let statement = hashes_at(Some(self.tenant()), positions)?;
        let (actor, [rows]) = self.fetch([statement]).await?;
        Ok((actor, hashes(&rows)?))
    }
}

fn condition(filter: &AuditLogFilter) -> Condition {
    Condition::all()
        .add_option(filter.user_id.map(|user| COLUMN.user_id.eq(user.0)))
        .add_option(
            filter
                .action
                .as_deref()
                .map(|action| COLUMN.action.eq(action)),
        )
        .add_option(
            filter
                .resource
                .as_deref()
                .map(|resource| COLUMN.resource.eq(resource)),
        )
        .add_option(
            filter
                .from
                .map(|from| COLUMN.created_at.gte(from.naive_utc())),
        )
        .add_option(filter.to.map(|to| COLUMN.created_at.lt(to.naive_utc())))
}
