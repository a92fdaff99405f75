//! Sealing: what waits in `audit_pending` is added to its tenant's log, and the new head is signed. One sealer at a time
//! works on a log, whichever server it belongs to; it never waits for those who write to the trail, nor they for it.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    Acting, AuditLog, Error, Result, SystemPurpose, TenantId,
    audit_log::{Log, Waiting, ports::AuditSealing},
};
use postgres_connection::Row;
use sea_orm::{DbBackend, FromQueryResult, Statement, prelude::Uuid};
use serde_json::json;
use transparency_log::{Checkpoint, Hash, Leaf, LogKeys, Origin, Tree, leaf, tree::Hashes};

use crate::{
    Database, SystemTx,
    audit_logs::audit_log,
    rows::{first, read},
};

/// Rows added in one transaction.
const BATCH: i64 = 1000;

/// Logs looked at in one pass; the next pass goes on with those that have waited longest.
const LOGS: i64 = 1000;

const WAITING: &str = "SELECT tenant_id, \
         (EXTRACT(EPOCH FROM (clock_timestamp() AT TIME ZONE 'UTC') - MIN(queued_at)) * 1000)::bigint AS milliseconds \
     FROM audit_pending GROUP BY tenant_id ORDER BY MIN(queued_at) LIMIT $1";

const HEADS: &str = "SELECT DISTINCT ON (tenant_id) tenant_id, key_id FROM audit_checkpoints \
     ORDER BY tenant_id, tree_size DESC, created_at DESC";

const CLAIM: &str = "SELECT pg_try_advisory_xact_lock(hashtextextended('audit log ' || $1::uuid::text, 0)) AS claimed";

const HEAD: &str = "SELECT tree_size, note, key_id FROM audit_checkpoints WHERE tenant_id = $1 \
     ORDER BY tree_size DESC, created_at DESC LIMIT 1";

/// Whatever is committed is taken, in whichever order it was committed.
const PENDING: &str = "SELECT audit_logs.* FROM audit_pending JOIN audit_logs ON audit_logs.id = audit_pending.audit_log_id \
     WHERE audit_pending.tenant_id = $1 ORDER BY queued_at, audit_log_id LIMIT $2";

pub(crate) const HASHES: &str = "SELECT position, hash FROM audit_hashes \
     WHERE tenant_id = $1 AND position = ANY($2)";

const INSERT_LEAVES: &str = "INSERT INTO audit_leaves (tenant_id, leaf_index, audit_log_id) \
     SELECT $1, $2 + new.place - 1, new.id FROM unnest($3::uuid[]) WITH ORDINALITY AS new (id, place)";

const INSERT_HASHES: &str = "INSERT INTO audit_hashes (tenant_id, position, hash) \
     SELECT $1, new.position, decode(new.hash, 'base64') \
     FROM jsonb_to_recordset($2) AS new (position BIGINT, hash TEXT)";

const INSERT_HEAD: &str =
    "INSERT INTO audit_checkpoints (tenant_id, tree_size, note, key_id) VALUES ($1, $2, $3, $4)";

const SEALED: &str = "DELETE FROM audit_pending WHERE audit_log_id = ANY($1)";

/// What a log is sealed with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seal {
    /// The first part of every origin.
    pub host: String,
    /// What signs its heads.
    pub keys: LogKeys,
}

impl Seal {
    /// The name of a log.
    pub fn origin(&self, log: Log) -> Origin {
        Origin::new(&self.host, log)
    }
}

#[derive(FromQueryResult)]
struct WaitingLog {
    tenant_id: Uuid,
    milliseconds: i64,
}

#[derive(FromQueryResult)]
struct Claim {
    claimed: bool,
}

#[derive(FromQueryResult)]
struct Head {
    tree_size: i64,
    note: String,
    key_id: String,
}

#[derive(FromQueryResult)]
struct HeadKey {
    tenant_id: Uuid,
    key_id: String,
}

#[derive(FromQueryResult)]
struct StoredHash {
    position: i64,
    hash: Vec<u8>,
}

/// What the tables call a log.
pub(crate) fn log_id(log: Log) -> Uuid {
    log.map_or(Uuid::nil(), |tenant| tenant.0)
}

pub(crate) fn log(id: Uuid) -> Log {
    (!id.is_nil()).then_some(TenantId(id))
}

/// The form in which a checkpoint keeps the id of its key.
fn key_id(seal: &Seal, log: Log) -> String {
    format!("{:08x}", seal.keys.id(&seal.origin(log)))
}

/// As the database counts.
pub(crate) fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(Error::internal)
}

/// As everybody else counts.
pub(crate) fn unsigned(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(Error::internal)
}

pub(crate) fn hashes_at(log: Log, positions: &[u64]) -> Result<Statement> {
    let positions = positions.iter().map(|position| signed(*position));
    let positions = positions.collect::<Result<Vec<_>>>()?;
    let values = [log_id(log).into(), positions.into()];
    Ok(Statement::from_sql_and_values(
        DbBackend::Postgres,
        HASHES,
        values,
    ))
}

pub(crate) fn hashes(rows: &[Row]) -> Result<Hashes> {
    let mut hashes = Hashes::default();
    for row in rows {
        let StoredHash { position, hash } = read(row)?;
        let hash: [u8; 32] = hash
            .try_into()
            .map_err(|_| Error::internal("a hash of the audit log has another length"))?;
        hashes.0.insert(unsigned(position)?, Hash(hash));
    }
    Ok(hashes)
}

impl Database {
    async fn sealing(&self) -> Result<SystemTx> {
        self.system(SystemPurpose::Sealing, &Acting::product())
            .await
    }
}

impl AuditSealing for Database {
    type Seal = Seal;

    fn verifier_keys(seal: &Seal, tenant: TenantId) -> Vec<String> {
        seal.keys.verifiers(&seal.origin(Some(tenant)))
    }

    async fn waiting_to_be_sealed(&self) -> Result<Waiting> {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, WAITING, [LOGS.into()]);
        let [rows] = self.sealing().await?.finish([statement]).await?;
        let logs: Vec<WaitingLog> = rows.iter().map(read).collect::<Result<_>>()?;
        // A clock that was set back makes nothing younger than now.
        let age = logs.first().map_or(0, |oldest| oldest.milliseconds.max(0));
        Ok(Waiting {
            logs: logs.iter().map(|waiting| log(waiting.tenant_id)).collect(),
            age: Duration::from_millis(unsigned(age)?),
        })
    }

    async fn sealed_with_another_key(&self, seal: &Seal) -> Result<Vec<Log>> {
        let statement = Statement::from_string(DbBackend::Postgres, HEADS);
        let [rows] = self.sealing().await?.finish([statement]).await?;
        let heads: Vec<HeadKey> = rows.iter().map(read).collect::<Result<_>>()?;
        let others = heads
            .iter()
            .map(|head| (log(head.tenant_id), &head.key_id))
            .filter(|(log, id)| **id != key_id(seal, *log));
        Ok(others.map(|(log, _)| log).collect())
    }

    async fn seal(&self, log: Log, seal: &Seal) -> Result<(u64, bool)> {
        let transaction = self.sealing().await?;
        let id = log_id(log);
        let values = || [id.into()];
        let statements = [
            Statement::from_sql_and_values(DbBackend::Postgres, CLAIM, values()),
            Statement::from_sql_and_values(DbBackend::Postgres, HEAD, values()),
            Statement::from_sql_and_values(DbBackend::Postgres, PENDING, [id.into(), BATCH.into()]),
        ];
        let [claim, head, pending] = transaction.rows(statements).await?;
        let claim: Option<Claim> = first(&claim)?;
        if !claim.is_some_and(|claim| claim.claimed) {
            return Ok((0, false));
        }
        let head: Option<Head> = first(&head)?;
        let rows: Vec<AuditLog> = pending.iter().map(audit_log).collect::<Result<_>>()?;
        let is_current = head
            .as_ref()
            .is_none_or(|head| head.key_id == key_id(seal, log));
        if rows.is_empty() && is_current {
            return Ok((0, false));
        }

        let size = head
            .as_ref()
            .map_or(Ok(0), |head| unsigned(head.tree_size))?;
        let [stored] = transaction
            .rows([hashes_at(log, &Tree::positions(size))?])
            .await?;
        let tree = believed(log, seal, size, head.as_ref(), hashes(&stored)?)?;
        let added = u64::try_from(rows.len()).map_err(Error::internal)?;
        let statements = additions(log, seal, tree, rows)?;
        transaction.finish(statements).await?;
        Ok((added, unsigned(BATCH)? == added))
    }
}

/// The tree of a log, where it is what its last head says, and that head is signed with one of the keys.
fn believed(log: Log, seal: &Seal, size: u64, head: Option<&Head>, hashes: Hashes) -> Result<Tree> {
    let tree = Tree::new(size, hashes).map_err(|error| broken(log, &error.to_string()))?;
    let Some(head) = head else { return Ok(tree) };
    let signed = seal.keys.open(&head.note);
    let signed = signed.map_err(|error| broken(log, &format!("its last head: {error}")))?;
    let root = tree.root().map_err(Error::internal)?;
    if !signed.origin.is_of(log) || signed.size != size || signed.root != root {
        return Err(broken(log, "its hashes are not those of its last head"));
    }
    Ok(tree)
}

fn broken(log: Log, reason: &str) -> Error {
    let name = log.map_or("the platform".to_owned(), |tenant| {
        format!("tenant {tenant}")
    });
    Error::internal(format!("the audit log of {name} can't be sealed: {reason}"))
}

/// What a log of `tree` is given for these rows.
fn additions(log: Log, seal: &Seal, mut tree: Tree, rows: Vec<AuditLog>) -> Result<[Statement; 4]> {
    let (id, begin) = (log_id(log), signed(tree.size())?);
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut hashes = Vec::new();
    for row in rows {
        let leaf = Leaf {
            index: tree.size(),
            previous: tree.last(),
            row,
        };
        let bytes = leaf.to_bytes().map_err(Error::internal)?;
        let complete = tree.push(leaf::hash(&bytes)).map_err(Error::internal)?;
        let complete = complete
            .iter()
            .map(|(position, hash)| json!({"position": position, "hash": STANDARD.encode(hash.0)}));
        hashes.extend(complete);
    }
    let checkpoint = Checkpoint {
        origin: seal.origin(log),
        size: tree.size(),
        root: tree.root().map_err(Error::internal)?,
    };
    let note = seal.keys.sign(&checkpoint).map_err(Error::internal)?;
    let size = signed(checkpoint.size)?;
    Ok([
        (
            INSERT_LEAVES,
            vec![id.into(), begin.into(), ids.clone().into()],
        ),
        (
            INSERT_HASHES,
            vec![id.into(), serde_json::Value::from(hashes).into()],
        ),
        (SEALED, vec![ids.into()]),
        (
            INSERT_HEAD,
            vec![
                id.into(),
                size.into(),
                note.into(),
                key_id(seal, log).into(),
            ],
        ),
    ]
    .map(|(sql, values)| Statement::from_sql_and_values(DbBackend::Postgres, sql, values)))
}
