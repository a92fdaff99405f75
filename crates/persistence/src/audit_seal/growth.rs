//! What is added to logs: their trees are checked against their heads, grow by the rows that wait, and get new heads. It
//! takes the processor and nothing else.

use domain::{
    AuditLog, Error, Result,
    audit_log::{Log, Sealed},
};
use sea_orm::{Statement, Value, prelude::Uuid};
use transparency_log::{Checkpoint, Hash, Leaf, Tree, leaf, tree::Hashes};

use super::{Seal, key_id, log_id, signed};
use crate::statement::statement;

const INSERT_LEAVES: &str = "INSERT INTO audit_leaves (tenant_id, leaf_index, audit_log_id) \
     SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[])";

const INSERT_HASHES: &str = "INSERT INTO audit_hashes (tenant_id, position, hash) \
     SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bytea[])";

const SEALED: &str = "DELETE FROM audit_pending WHERE audit_log_id = ANY($1)";

/// A key that was put back may have signed a head of this size before the one that it takes the place of.
const INSERT_HEADS: &str = "INSERT INTO audit_checkpoints (tenant_id, tree_size, note, key_id) \
     SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING";

/// The newest head of a log.
#[derive(Debug)]
pub(super) struct Head {
    pub size: u64,
    pub note: String,
    pub key_id: String,
}

/// A log that nobody else adds to meanwhile.
pub(super) struct Claimed {
    pub log: Log,
    pub head: Option<Head>,
    /// Those that its tree needs to go on growing.
    pub hashes: Hashes,
    /// What waits, in the order in which it was queued.
    pub rows: Vec<AuditLog>,
}

/// What one log is given.
struct Addition {
    log: Uuid,
    begin: i64,
    rows: Vec<Uuid>,
    hashes: Vec<(i64, Hash)>,
    size: i64,
    note: String,
    key_id: String,
}

/// What several logs are given.
#[derive(Default)]
pub(super) struct Growth {
    additions: Vec<Addition>,
    /// What will have come of it once it is written down.
    pub sealed: Sealed,
}

impl Claimed {
    pub(super) fn new(log: Log) -> Self {
        Self {
            log,
            head: None,
            hashes: Hashes::default(),
            rows: Vec::new(),
        }
    }

    /// How many leaves it has.
    pub(super) fn size(&self) -> u64 {
        self.head.as_ref().map_or(0, |head| head.size)
    }

    /// Whether there is nothing to add to it, and nothing to sign anew.
    pub(super) fn is_sealed(&self, seal: &Seal) -> bool {
        let signed = |head: &Head| head.key_id == key_id(seal, self.log);
        self.rows.is_empty() && self.head.as_ref().is_none_or(signed)
    }

    /// Its tree, where that is what its last head says, and the head is signed with one of the keys.
    fn tree(&self, seal: &Seal) -> Result<Tree> {
        let broken = |reason: &str| broken(self.log, reason);
        let tree = Tree::new(self.size(), self.hashes.clone());
        let tree = tree.map_err(|error| broken(&error.to_string()))?;
        let Some(head) = &self.head else {
            return Ok(tree);
        };
        let signed = seal.keys.open(&head.note);
        let signed = signed.map_err(|error| broken(&format!("its last head: {error}")))?;
        let root = tree.root().map_err(Error::internal)?;
        if !signed.origin.is_of(self.log) || signed.size != head.size || signed.root != root {
            return Err(broken("its hashes are not those of its last head"));
        }
        Ok(tree)
    }

    fn addition(self, seal: &Seal) -> Result<Addition> {
        let mut tree = self.tree(seal)?;
        let begin = signed(tree.size())?;
        let (mut rows, mut hashes) = (Vec::new(), Vec::new());
        for row in self.rows {
            rows.push(row.id);
            let leaf = Leaf {
                index: tree.size(),
                previous: tree.last(),
                row,
            };
            let bytes = leaf.to_bytes().map_err(Error::internal)?;
            for (position, hash) in tree.push(leaf::hash(&bytes)).map_err(Error::internal)? {
                hashes.push((signed(position)?, hash));
            }
        }
        let checkpoint = Checkpoint {
            origin: seal.origin(self.log),
            size: tree.size(),
            root: tree.root().map_err(Error::internal)?,
        };
        Ok(Addition {
            log: log_id(self.log),
            begin,
            rows,
            hashes,
            size: signed(checkpoint.size)?,
            note: seal.keys.sign(&checkpoint).map_err(Error::internal)?,
            key_id: key_id(seal, self.log),
        })
    }
}

impl Growth {
    /// What these logs are given, of each of which at most `limit` rows were read.
    pub(super) fn of(logs: Vec<Claimed>, seal: &Seal, limit: usize) -> Self {
        let mut growth = Self::default();
        for log in logs {
            match log.addition(seal) {
                Ok(addition) => {
                    growth.sealed.rows += addition.rows.len() as u64;
                    growth.sealed.more |= addition.rows.len() >= limit;
                    growth.additions.push(addition);
                }
                Err(error) => growth.sealed.refused.push(error),
            }
        }
        growth
    }

    /// Whether there is nothing to write down.
    pub(super) fn is_empty(&self) -> bool {
        self.additions.is_empty()
    }

    /// What writes it down, for all logs at once.
    pub(super) fn statements(&self) -> [Statement; 4] {
        let logs = || self.each(|log| [log.log]);
        let rows = || self.each(|log| log.rows.iter().copied());
        [
            statement(
                INSERT_LEAVES,
                [
                    self.each(|log| log.rows.iter().map(|_| log.log)),
                    self.each(|log| (log.begin..).zip(&log.rows).map(|(index, _)| index)),
                    rows(),
                ],
            ),
            statement(
                INSERT_HASHES,
                [
                    self.each(|log| log.hashes.iter().map(|_| log.log)),
                    self.each(|log| log.hashes.iter().map(|(position, _)| *position)),
                    self.each(|log| log.hashes.iter().map(|(_, hash)| hash.0.to_vec())),
                ],
            ),
            statement(SEALED, [rows()]),
            statement(
                INSERT_HEADS,
                [
                    logs(),
                    self.each(|log| [log.size]),
                    self.each(|log| [log.note.clone()]),
                    self.each(|log| [log.key_id.clone()]),
                ],
            ),
        ]
    }

    /// A column of what is written.
    fn each<'growth, Values: IntoIterator>(
        &'growth self,
        of: impl FnMut(&'growth Addition) -> Values,
    ) -> Value
    where
        Vec<Values::Item>: Into<Value>,
    {
        self.additions
            .iter()
            .flat_map(of)
            .collect::<Vec<_>>()
            .into()
    }
}

/// Why a log is not sealed.
pub(super) fn broken(log: Log, reason: &str) -> Error {
    let name = log.map_or("the platform".to_owned(), |tenant| {
        format!("tenant {tenant}")
    });
    Error::internal(format!("the audit log of {name} can't be sealed: {reason}"))
}
