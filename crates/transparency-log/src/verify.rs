//! Checks an export against signed checkpoints, line by line and in little memory, and names the first row that is not as
//! it was sealed.
//!
//! Each leaf holds its place and the hash of the leaf before it. So a row that differs from its leaf, one that is missing
//! and one in another's place are seen at once; one that was rewritten together with its leaf does not fit the leaf that
//! comes after it; and what was rewritten from some row on to the end does not lead to the head that was signed.

use domain::TenantId;
use serde::Serialize;
use tlog_tiles::Hash;
use uuid::Uuid;

use crate::{
    checkpoint::{Opened, Origin},
    export::{Line, Row},
    leaf::{self, Leaf},
    tree::{Tree, TreeError},
};

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// It says something else than was sealed.
    Edited,
    /// It was sealed and is not there.
    Removed,
    /// It stands in another place than it was sealed in.
    Reordered,
    /// The line is none of an export.
    Malformed,
    /// It belongs to another log.
    Foreign,
}

/// The first row that is not as it was sealed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What is wrong with it.
    pub problem: Problem,
    /// Its place in the log, from zero.
    pub index: u64,
    /// Its identifier, where it is there to have one.
    pub id: Option<Uuid>,
    /// How one can tell, for people.
    pub detail: String,
}

/// What an export turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// How many rows are as they were sealed: all that the newest checkpoint covers.
    pub rows: u64,
    /// How many more there are, which no checkpoint covers yet.
    pub uncovered: u64,
}

/// Why an export can't be checked, or how it fails.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The checkpoints are of several logs.
    #[error("the checkpoints are of different logs: {0} and {1}")]
    SeveralLogs(Origin, Origin),
    /// There is no checkpoint.
    #[error("there is no checkpoint to check against")]
    NoCheckpoint,
    /// A row is not as it was sealed.
    #[error("{}", .0.detail)]
    Found(Finding),
    /// A defect of ours.
    #[error("{0}")]
    Tree(#[from] TreeError),
}

/// A leaf that does not fit the one before it; which of the two is wrong, the one after it tells.
struct Doubt {
    /// The log without the leaf before.
    without: Tree,
    before: Option<Uuid>,
    claimed: Option<Hash>,
    index: u64,
    id: Uuid,
    hash: Hash,
}

/// A row that is not where it belongs; whether it stands elsewhere, the rest of the export tells.
struct Gap {
    index: u64,
    instead: u64,
}

/// An export on the way.
pub struct Verification {
    /// The smallest first.
    heads: Vec<Opened>,
    tree: Tree,
    without_last: Tree,
    last: Option<Uuid>,
    doubt: Option<Doubt>,
    gap: Option<Gap>,
}

impl std::fmt::Debug for Verification {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Verification")
            .field("heads", &self.heads)
            .field("rows", &self.tree.size())
            .finish_non_exhaustive()
    }
}

impl Verification {
    /// Begins with the first line of a log. Every checkpoint is checked, older ones too: that the log has grown from each
    /// to the newest without changing is then known.
    ///
    /// # Errors
    /// There is none, or they are of several logs.
    pub fn new(mut heads: Vec<Opened>) -> Result<Self, VerifyError> {
        let origin = |head: &Opened| head.checkpoint.origin.clone();
        let first = heads.first().map(origin).ok_or(VerifyError::NoCheckpoint)?;
        if let Some(other) = heads.iter().map(origin).find(|other| *other != first) {
            return Err(VerifyError::SeveralLogs(first, other));
        }
        heads.sort_by_key(|head| head.checkpoint.size);
        Ok(Self {
            heads,
            tree: Tree::default(),
            without_last: Tree::default(),
            last: None,
            doubt: None,
            gap: None,
        })
    }

    /// Checks the next line.
    ///
    /// # Errors
    /// Names the first row that is not as it was sealed.
    pub fn line(&mut self, text: &str) -> Result<(), VerifyError> {
        let index = self.tree.size();
        let line: Result<Line, _> = serde_json::from_str(text);
        let parsed = line.as_ref().ok().and_then(|line| {
            let bytes = leaf::decode(&line.leaf)?;
            let leaf = Leaf::from_bytes(&bytes).ok()?;
            Some((leaf::hash(&bytes), leaf))
        });
        if let Some(doubt) = self.doubt.take() {
            let successor = parsed.filter(|(_, leaf)| leaf.index == index);
            let confirmed = successor.is_some_and(|(_, leaf)| leaf.previous == Some(doubt.hash));
            return Err(doubt.resolved(confirmed));
        }
        let line = line.map_err(|error| {
            let detail = format!("row {index}: the line is none of an export: {error}");
            found(Problem::Malformed, index, None, detail)
        })?;
        if let Some(gap) = &self.gap {
            if line.index == gap.index {
                return Err(gap.moved(line.row.id));
            }
            return Ok(());
        }
        if line.index > index {
            let instead = line.index;
            self.gap = Some(Gap { index, instead });
            return Ok(());
        }
        let (hash, leaf) = self.fitting(line, index, parsed)?;

        let without_last = std::mem::replace(&mut self.without_last, self.tree.clone());
        let before = self.last.replace(leaf.row.id);
        if leaf.previous != self.tree.last() {
            self.doubt = Some(Doubt {
                without: without_last,
                before,
                claimed: leaf.previous,
                index,
                id: leaf.row.id,
                hash,
            });
        }
        self.tree.push(hash)?;
        self.compare()
    }

    /// The leaf of a line, where it says what the line says and stands where it was sealed.
    fn fitting(
        &self,
        line: Line,
        index: u64,
        parsed: Option<(Hash, Leaf)>,
    ) -> Result<(Hash, Leaf), VerifyError> {
        let id = Some(line.row.id);
        if line.index < index {
            let detail = format!(
                "row {} ({}) was repeated: it stands where row {index} belongs",
                line.index, line.row.id
            );
            return Err(found(Problem::Reordered, line.index, id, detail));
        }
        let Some((hash, leaf)) = parsed else {
            let detail = format!(
                "row {index} ({}) was edited: its leaf is none in the documented form",
                line.row.id
            );
            return Err(found(Problem::Edited, index, id, detail));
        };
        if leaf.index != index {
            let detail = format!(
                "row {index} ({}) was moved: it was sealed as row {}",
                line.row.id, leaf.index
            );
            return Err(found(Problem::Reordered, index, id, detail));
        }
        let sealed = Row::from(leaf.row.clone());
        if sealed != line.row {
            let detail = format!(
                "row {index} ({}) was edited: {} not what was sealed",
                line.row.id,
                differing(&sealed, &line.row)
            );
            return Err(found(Problem::Edited, index, id, detail));
        }
        let tenant: Option<TenantId> = leaf.row.tenant_id;
        if let Some(head) = self.heads.first()
            && !head.checkpoint.origin.is_of(tenant)
        {
            let detail = format!(
                "row {index} ({}) belongs to another log than {}",
                line.row.id, head.checkpoint.origin
            );
            return Err(found(Problem::Foreign, index, id, detail));
        }
        Ok((hash, leaf))
    }

    /// Compares the tree with the head that was signed at its size, if there is one.
    fn compare(&self) -> Result<(), VerifyError> {
        if self.doubt.is_some() {
            return Ok(());
        }
        let size = self.tree.size();
        let root = self.tree.root()?;
        let mut signed = self
            .heads
            .iter()
            .filter(|head| head.checkpoint.size == size);
        if signed.all(|head| head.checkpoint.root == root) {
            return Ok(());
        }
        let index = size.saturating_sub(1);
        let id = self.last.map(|id| format!(" ({id})")).unwrap_or_default();
        let since = self.heads.iter().map(|head| head.checkpoint.size);
        let since = since
            .filter(|older| *older < size)
            .max()
            .unwrap_or_default();
        let detail = format!(
            "row {index}{id} was edited, or all rows from one after row {since} on were made anew: \
             they lead to another head of {size} rows than the one that was signed"
        );
        Err(found(Problem::Edited, index, self.last, detail))
    }

    /// After the last line: whether it is all there.
    ///
    /// # Errors
    /// Names the first row that is not as it was sealed.
    pub fn finish(self) -> Result<Verified, VerifyError> {
        let size = self.tree.size();
        if let Some(gap) = self.gap {
            return Err(gap.removed());
        }
        if let Some(mut doubt) = self.doubt {
            let mut confirmed = false;
            if let Some(claimed) = doubt.claimed {
                doubt.without.push(claimed)?;
                doubt.without.push(doubt.hash)?;
                let root = doubt.without.root()?;
                let mut heads = self.heads.iter().map(|head| &head.checkpoint);
                confirmed = heads.any(|head| head.size == size && head.root == root);
            }
            return Err(doubt.resolved(confirmed));
        }
        let newest = self.heads.last().map(|head| head.checkpoint.size);
        let newest = newest.unwrap_or_default();
        if size < newest {
            let detail = format!(
                "row {size} was removed, with all that follow: {newest} rows were signed for, and the export ends after {size}"
            );
            return Err(found(Problem::Removed, size, None, detail));
        }
        Ok(Verified {
            rows: newest,
            uncovered: size - newest,
        })
    }
}

impl Gap {
    fn moved(&self, id: Uuid) -> VerifyError {
        let Self { index, instead } = self;
        let detail = format!("row {index} ({id}) was moved: row {instead} stands in its place");
        found(Problem::Reordered, *index, Some(id), detail)
    }

    fn removed(&self) -> VerifyError {
        let Self { index, instead } = self;
        let archived = if *index == 0 {
            "; rows that were archived are in the export that was made of them, to be given before this one"
        } else {
            ""
        };
        let detail =
            format!("row {index} was removed: the export goes on with row {instead}{archived}");
        found(Problem::Removed, *index, None, detail)
    }
}

impl Doubt {
    /// `confirmed`: whether the leaf itself is as it was sealed, and so what it says of the one before it is.
    fn resolved(self, confirmed: bool) -> VerifyError {
        let (index, id) = match (confirmed, self.index.checked_sub(1)) {
            (true, Some(before)) => (before, self.before),
            _ => (self.index, Some(self.id)),
        };
        let name = id.map(|id| format!(" ({id})")).unwrap_or_default();
        let detail = format!(
            "row {index}{name} was edited together with its leaf: it does not fit the leaf beside it"
        );
        found(Problem::Edited, index, id, detail)
    }
}

fn found(problem: Problem, index: u64, id: Option<Uuid>, detail: String) -> VerifyError {
    VerifyError::Found(Finding {
        problem,
        index,
        id,
        detail,
    })
}

/// The names of the fields that are not the same.
fn differing(sealed: &Row, shown: &Row) -> String {
    let fields = [
        ("id", sealed.id == shown.id),
        ("user_id", sealed.user_id == shown.user_id),
        ("tenant_id", sealed.tenant_id == shown.tenant_id),
        ("action", sealed.action == shown.action),
        ("resource", sealed.resource == shown.resource),
        ("details", sealed.details == shown.details),
        ("ip_address", sealed.ip_address == shown.ip_address),
        ("user_agent", sealed.user_agent == shown.user_agent),
        ("created_at", sealed.created_at == shown.created_at),
    ];
    let names: Vec<_> = fields
        .iter()
        .filter(|(_, same)| !same)
        .map(|(name, _)| *name)
        .collect();
    match names[..] {
        [only] => format!("{only} is"),
        _ => format!("{} are", names.join(", ")),
    }
}

#[cfg(test)]
mod tests;
