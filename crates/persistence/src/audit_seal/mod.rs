//! Sealing: what waits in `audit_pending` is added to its tenant's log, and the new head is signed; several logs in one
//! transaction. One sealer at a time works on a log, whichever server it belongs to; it never waits for those who write to
//! the trail, nor they for it.

mod growth;

use std::{collections::BTreeMap, ops::Bound, time::Duration};

use domain::{
    Acting, Error, ErrorKind, Result, SystemPurpose, TenantId,
    audit_log::{Log, Sealed, ports::AuditSealing},
};
use postgres_connection::Row;
use sea_orm::{FromQueryResult, Statement, prelude::Uuid};
use tokio::task::spawn_blocking;
use transparency_log::{Hash, LogKeys, Origin, Tree, tree::Hashes};

use self::growth::{Claimed, Growth, Head, broken};
use crate::{
    Database, SystemTx,
    audit_logs::audit_log,
    rows::{first, read},
    statement::statement,
};

/// Rows added in one transaction, at most.
const BATCH: usize = 1000;

/// Logs added to in one transaction, at most.
const LOGS: i64 = 100;

/// What the statements below look up is named by an index. Their plans are kept, and one that was made while a table was
/// small would read the whole of it for each log.
const BY_INDEX: &str = "SELECT FROM audit_read_by_index()";

/// The logs that a table has rows of: from one to the next through the index, however many rows one has.
macro_rules! logs_in {
    ($table:literal) => {
        concat!(
            "WITH RECURSIVE logs (tenant_id, place) AS ( \
                 (SELECT tenant_id, 1::bigint FROM ",
            $table,
            " WHERE tenant_id >= $1 ORDER BY tenant_id LIMIT 1) \
                 UNION ALL \
                 SELECT next.tenant_id, place + 1 FROM logs CROSS JOIN LATERAL ( \
                     SELECT tenant_id FROM ",
            $table,
            " WHERE tenant_id > logs.tenant_id ORDER BY tenant_id LIMIT 1 \
                 ) AS next WHERE place < $2 \
             ) "
        )
    };
}

const WAITING: &str = concat!(
    logs_in!("audit_pending"),
    "SELECT tenant_id FROM logs ORDER BY place"
);

/// With the newest head of each.
const SIGNED: &str = concat!(
    logs_in!("audit_checkpoints"),
    "SELECT head.* FROM logs CROSS JOIN LATERAL ( \
         SELECT tenant_id, key_id FROM audit_checkpoints WHERE tenant_id = logs.tenant_id \
         ORDER BY tree_size DESC, created_at DESC LIMIT 1 \
     ) AS head ORDER BY place"
);

const AGE: &str = "SELECT (EXTRACT(EPOCH FROM (clock_timestamp() AT TIME ZONE 'UTC') - MIN(queued_at)) * 1000)::bigint \
         AS milliseconds \
     FROM audit_pending";

/// A statement of its own, so that what is read after it is what the sealer before has left.
const CLAIM: &str = "SELECT id AS tenant_id FROM unnest($1::uuid[]) AS logs (id) \
     WHERE pg_try_advisory_xact_lock(hashtextextended('audit log ' || id::text, 0))";

const HEADS: &str = "SELECT head.* FROM unnest($1::uuid[]) AS logs (id) CROSS JOIN LATERAL ( \
         SELECT tenant_id, tree_size, note, key_id FROM audit_checkpoints WHERE tenant_id = id \
         ORDER BY tree_size DESC, created_at DESC LIMIT 1 \
     ) AS head";

/// Whatever is committed is taken, in whichever order it was committed.
const PENDING: &str = "SELECT audit_logs.*, pending.tenant_id AS log_id FROM unnest($1::uuid[]) AS logs (id) \
     CROSS JOIN LATERAL ( \
         SELECT * FROM audit_pending WHERE audit_pending.tenant_id = logs.id ORDER BY queued_at, audit_log_id LIMIT $2 \
     ) AS pending JOIN audit_logs ON audit_logs.id = pending.audit_log_id \
     ORDER BY pending.queued_at, pending.audit_log_id";

const EDGES: &str = "SELECT tenant_id, position, hash FROM unnest($1::uuid[], $2::bigint[]) AS wanted (tenant_id, position) \
     JOIN audit_hashes USING (tenant_id, position)";

const HASHES: &str =
    "SELECT position, hash FROM audit_hashes WHERE tenant_id = $1 AND position = ANY($2)";

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
struct LogRow {
    tenant_id: Uuid,
}

#[derive(FromQueryResult)]
struct Age {
    milliseconds: Option<i64>,
}

#[derive(FromQueryResult)]
struct HeadKey {
    tenant_id: Uuid,
    key_id: String,
}

#[derive(FromQueryResult)]
struct HeadRow {
    tenant_id: Uuid,
    tree_size: i64,
    note: String,
    key_id: String,
}

#[derive(FromQueryResult)]
struct PendingRow {
    log_id: Uuid,
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

/// The smallest id of the logs from `from` on; none where there can be none.
fn first_id(from: Bound<Log>) -> Option<Uuid> {
    match from {
        Bound::Unbounded => Some(Uuid::nil()),
        Bound::Included(log) => Some(log_id(log)),
        Bound::Excluded(log) => log_id(log).as_u128().checked_add(1).map(Uuid::from_u128),
    }
}

pub(crate) fn hashes_at(log: Log, positions: &[u64]) -> Result<Statement> {
    let positions = positions.iter().map(|position| signed(*position));
    let positions = positions.collect::<Result<Vec<_>>>()?;
    Ok(statement(HASHES, [log_id(log).into(), positions.into()]))
}

pub(crate) fn hashes(rows: &[Row]) -> Result<Hashes> {
    rows.iter().map(hash).collect::<Result<_>>().map(Hashes)
}

fn hash(row: &Row) -> Result<(u64, Hash)> {
    let StoredHash { position, hash } = read(row)?;
    let hash: [u8; 32] = hash
        .try_into()
        .map_err(|_| Error::internal("a hash of the audit log has another length"))?;
    Ok((unsigned(position)?, Hash(hash)))
}

impl Database {
    async fn sealing(&self) -> Result<SystemTx> {
        self.system(SystemPurpose::Sealing, &Acting::product())
            .await
    }

    /// Seals these logs in one transaction, which one of them may spoil for all.
    async fn seal_together(&self, logs: &[Log], seal: &Seal) -> Result<Sealed> {
        let transaction = self.sealing().await?;
        match growth(&transaction, logs, seal).await {
            Ok(growth) if !growth.is_empty() => {
                transaction.finish(growth.statements()).await?;
                Ok(growth.sealed)
            }
            nothing => {
                // Its locks end with it, before any of these logs is tried again.
                transaction.finish([]).await?;
                Ok(nothing?.sealed)
            }
        }
    }
}

/// What those of these logs are given that nobody else is sealing.
async fn growth(transaction: &SystemTx, logs: &[Log], seal: &Seal) -> Result<Growth> {
    let ids: Vec<Uuid> = logs.iter().copied().map(log_id).collect();
    let claim = statement(CLAIM, [ids.into()]);
    let [_, claimed] = transaction.rows([statement(BY_INDEX, []), claim]).await?;
    let ids = claimed.iter().map(|row| Ok(read::<LogRow>(row)?.tenant_id));
    let ids = ids.collect::<Result<Vec<Uuid>>>()?;
    if ids.is_empty() {
        return Ok(Growth::default());
    }

    let limit = (BATCH / ids.len()).max(1);
    let rows = i64::try_from(limit).map_err(Error::internal)?;
    let heads = statement(HEADS, [ids.clone().into()]);
    let pending = statement(PENDING, [ids.clone().into(), rows.into()]);
    let [heads, pending] = transaction.rows([heads, pending]).await?;
    let mut logs = claimed_logs(ids, &heads, &pending)?;
    logs.retain(|_, log| !log.is_sealed(seal));
    if logs.is_empty() {
        return Ok(Growth::default());
    }

    let [edges] = transaction.rows([edges(&logs)?]).await?;
    for row in &edges {
        let LogRow { tenant_id } = read(row)?;
        if let Some(log) = logs.get_mut(&tenant_id) {
            log.hashes.0.extend([hash(row)?]);
        }
    }
    let (logs, seal) = (logs.into_values().collect(), seal.clone());
    let growth = spawn_blocking(move || Growth::of(logs, &seal, limit));
    growth.await.map_err(Error::internal)
}

impl AuditSealing for Database {
    type Seal = Seal;

    fn verifier_keys(seal: &Seal, tenant: TenantId) -> Vec<String> {
        seal.keys.verifiers(&seal.origin(Some(tenant)))
    }

    async fn waiting_to_be_sealed(&self, from: Bound<Log>) -> Result<Vec<Log>> {
        let Some(first) = first_id(from) else {
            return Ok(Vec::new());
        };
        let waiting = statement(WAITING, [first.into(), LOGS.into()]);
        let [_, rows] = self
            .sealing()
            .await?
            .finish([statement(BY_INDEX, []), waiting])
            .await?;
        let logs = rows
            .iter()
            .map(|row| Ok(log(read::<LogRow>(row)?.tenant_id)));
        logs.collect()
    }

    async fn sealed_with_another_key(&self, seal: &Seal, from: Bound<Log>) -> Result<Vec<Log>> {
        let (mut from, mut others) = (from, Vec::new());
        while let Some(first) = first_id(from)
            && others.is_empty()
        {
            let heads = statement(SIGNED, [first.into(), LOGS.into()]);
            let [_, rows] = self
                .sealing()
                .await?
                .finish([statement(BY_INDEX, []), heads])
                .await?;
            let heads = rows.iter().map(read).collect::<Result<Vec<HeadKey>>>()?;
            let Some(last) = heads.last() else { break };
            from = Bound::Excluded(log(last.tenant_id));
            let heads = heads.iter().map(|head| (log(head.tenant_id), &head.key_id));
            let stale = heads.filter(|(log, id)| **id != key_id(seal, *log));
            others = stale.map(|(log, _)| log).collect();
        }
        Ok(others)
    }

    async fn unsealed_age(&self) -> Result<Duration> {
        let [rows] = self.sealing().await?.finish([statement(AGE, [])]).await?;
        let oldest: Option<Age> = first(&rows)?;
        let age = oldest.and_then(|oldest| oldest.milliseconds);
        // A clock that was set back makes nothing younger than now.
        Ok(Duration::from_millis(unsigned(
            age.unwrap_or_default().max(0),
        )?))
    }

    async fn seal(&self, logs: &[Log], seal: &Seal) -> Result<Sealed> {
        match self.seal_together(logs, seal).await {
            Err(error) if error.kind() != ErrorKind::Unavailable => {}
            result => return result,
        }
        // Which of them it was does not show, and the others are not to wait for it.
        let mut sealed = Sealed::default();
        for log in logs {
            match self.seal_together(&[*log], seal).await {
                Ok(alone) => {
                    sealed.rows += alone.rows;
                    sealed.more |= alone.more;
                    sealed.refused.extend(alone.refused);
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                Err(error) => sealed.refused.push(broken(*log, &format!("{error:?}"))),
            }
        }
        Ok(sealed)
    }
}

/// What was read of each log that was claimed.
fn claimed_logs(ids: Vec<Uuid>, heads: &[Row], pending: &[Row]) -> Result<BTreeMap<Uuid, Claimed>> {
    let mut logs: BTreeMap<_, _> = ids
        .into_iter()
        .map(|id| (id, Claimed::new(log(id))))
        .collect();
    for row in heads {
        let head: HeadRow = read(row)?;
        if let Some(log) = logs.get_mut(&head.tenant_id) {
            log.head = Some(Head {
                size: unsigned(head.tree_size)?,
                note: head.note,
                key_id: head.key_id,
            });
        }
    }
    for row in pending {
        let PendingRow { log_id } = read(row)?;
        if let Some(log) = logs.get_mut(&log_id) {
            log.rows.push(audit_log(row)?);
        }
    }
    Ok(logs)
}

/// Asks for the hashes that the trees of these logs need to go on growing.
fn edges(logs: &BTreeMap<Uuid, Claimed>) -> Result<Statement> {
    let (mut ids, mut positions) = (Vec::new(), Vec::new());
    for (id, log) in logs {
        for position in Tree::positions(log.size()) {
            ids.push(*id);
            positions.push(signed(position)?);
        }
    }
    Ok(statement(EDGES, [ids.into(), positions.into()]))
}
