//! Reading a tenant's audit trail, and proving that it is whole.

use std::{sync::Arc, time::Duration};

use domain::{
    AuditLog, Error, TenantScope, Violation,
    audit_log::{
        AuditLogFilter, AuditLogPlace,
        ports::{AuditLogReads, AuditSealing},
    },
    page::{Page, PageRequest},
    policy::{Action, Actor, Resource, authorise},
    ports::TenantStore,
};
use tokio::sync::watch;
use transparency_log::{Hash, Leaf};
use uuid::Uuid;

/// Rows read at once for an export.
const EXPORT_PAGE: u64 = 500;

/// What is read of audit trails.
#[derive(Debug)]
pub struct AuditLogs<S: AuditSealing> {
    store: S,
    seal: watch::Sender<Option<Arc<S::Seal>>>,
    seal_interval: Duration,
}

impl<S: AuditSealing> AuditLogs<S> {
    /// `seal` holds what the trail is sealed with, before the first request; a row waits at most `seal_interval` for it.
    pub fn new(
        store: S,
        seal: watch::Sender<Option<Arc<S::Seal>>>,
        seal_interval: Duration,
    ) -> Self {
        Self {
            store,
            seal,
            seal_interval,
        }
    }

    /// A row, or the first of all, has still to be sealed.
    fn not_sealed(&self, detail: &str) -> Error {
        Error::conflict("not_sealed", detail).with_retry_after(self.seal_interval)
    }
}

/// Where a row stands in its log, and how that is proved.
#[derive(Debug)]
pub struct Proved {
    /// How many leaves stand before its own.
    pub leaf_index: u64,
    /// In a tree of how many.
    pub tree_size: u64,
    /// The hash of its leaf.
    pub leaf_hash: Hash,
    /// The proof.
    pub hashes: Vec<Hash>,
}

fn may_read(actor: &Actor, scope: &TenantScope) -> Result<(), Error> {
    authorise(actor, Action::Read, Resource::AuditLog(scope.tenant))
}

fn not_found() -> Error {
    Error::not_found("row of the audit trail")
}

fn out_of_range(name: &str, detail: String) -> Error {
    Error::invalid(vec![
        Violation::new("out_of_range", detail).at(format!("/{name}")),
    ])
}

impl<S> AuditLogs<S>
where
    S: AuditSealing + TenantStore<Read: AuditLogReads<Leaf = Leaf, Hash = Hash>>,
{
    /// Rows of the trail, newest first.
    ///
    /// # Errors
    /// `forbidden` for whoever does not administer the tenant.
    pub async fn list(
        &self,
        scope: TenantScope,
        filter: &AuditLogFilter,
        request: PageRequest,
    ) -> Result<Page<AuditLog>, Error> {
        let read = self.store.read(scope.clone());
        let (actor, page) = read.list_audit_logs(filter, request).await?;
        may_read(&actor, &scope)?;
        Ok(page)
    }

    /// One row of the trail.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's; `forbidden` for whoever does not administer the tenant.
    pub async fn read(&self, scope: TenantScope, id: Uuid) -> Result<AuditLog, Error> {
        let (actor, row) = self.store.read(scope.clone()).audit_log(id).await?;
        may_read(&actor, &scope)?;
        row.ok_or_else(not_found)
    }

    /// That a row is in the log under the head of `tree_size` rows, or under the newest.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's row; `not_sealed` for one that was written in the last seconds; `forbidden` for
    /// whoever does not administer the tenant.
    pub async fn prove(
        &self,
        scope: TenantScope,
        id: Uuid,
        tree_size: Option<u64>,
    ) -> Result<Proved, Error> {
        let read = self.store.read(scope.clone());
        let (actor, place) = read.audit_log_place(id).await?;
        may_read(&actor, &scope)?;
        let AuditLogPlace { leaf_index, newest } = place.ok_or_else(not_found)?;
        let leaf_index = leaf_index.filter(|index| *index < newest).ok_or_else(|| {
            self.not_sealed("this row is not sealed yet; ask again in a few seconds")
        })?;
        let tree_size = tree_size.unwrap_or(newest);
        if tree_size <= leaf_index || tree_size > newest {
            let detail = format!("must be from {} to {newest} for this row", leaf_index + 1);
            return Err(out_of_range("tree_size", detail));
        }
        let (leaf_hash, hashes) = read.audit_inclusion(leaf_index, tree_size).await?;
        Ok(Proved {
            leaf_index,
            tree_size,
            leaf_hash,
            hashes,
        })
    }

    /// That the log has only grown from `from` to `to` rows.
    ///
    /// # Errors
    /// Names what is out of range; `forbidden` for whoever does not administer the tenant.
    pub async fn prove_consistency(
        &self,
        scope: TenantScope,
        from: u64,
        to: u64,
    ) -> Result<Vec<Hash>, Error> {
        let read = self.store.read(scope.clone());
        let (actor, newest) = read.audit_log_size().await?;
        may_read(&actor, &scope)?;
        if from > to {
            return Err(out_of_range("from", format!("must be at most to, {to}")));
        }
        if to > newest {
            let detail = format!("must be at most {newest}, the size of the log");
            return Err(out_of_range("to", detail));
        }
        read.audit_consistency(from, to).await
    }

    /// The signed head of the log: the newest, or the one of `size` rows.
    ///
    /// # Errors
    /// `not_sealed` where nothing is sealed yet, `not_found` where the log was never sealed at that size; `forbidden` for whoever
    /// does not administer the tenant.
    pub async fn checkpoint(&self, scope: TenantScope, size: Option<u64>) -> Result<String, Error> {
        let (actor, note) = self
            .store
            .read(scope.clone())
            .audit_checkpoint(size)
            .await?;
        may_read(&actor, &scope)?;
        note.ok_or_else(|| match size {
            Some(_) => Error::not_found("checkpoint"),
            None => self.not_sealed("nothing is sealed yet; ask again in a few seconds"),
        })
    }

    /// The keys to check the log's checkpoints with, the newest first.
    ///
    /// # Errors
    /// `forbidden` for whoever does not administer the tenant.
    pub async fn verifier_keys(&self, scope: TenantScope) -> Result<Vec<String>, Error> {
        let (actor, _) = self.store.read(scope.clone()).audit_log_size().await?;
        may_read(&actor, &scope)?;
        let seal = self
            .seal
            .borrow()
            .clone()
            .ok_or_else(|| Error::internal("the server has no seal yet"))?;
        Ok(S::verifier_keys(&seal, scope.tenant))
    }

    /// Begins an export with its first page.
    ///
    /// # Errors
    /// `forbidden` for whoever does not administer the tenant.
    pub async fn export(
        &self,
        scope: TenantScope,
        filter: AuditLogFilter,
    ) -> Result<Export<S>, Error> {
        Export::begin(self.store.clone(), scope, filter).await
    }
}

/// The sealed rows of the trail, in the order of the log, as they were when the export began.
#[derive(Debug)]
pub struct Export<S> {
    store: S,
    scope: TenantScope,
    filter: AuditLogFilter,
    next: u64,
    end: u64,
    page: Vec<Leaf>,
}

impl<S> Export<S>
where
    S: TenantStore<Read: AuditLogReads<Leaf = Leaf, Hash = Hash>>,
{
    /// Begins with its first page.
    ///
    /// # Errors
    /// `forbidden` for whoever does not administer the tenant.
    async fn begin(store: S, scope: TenantScope, filter: AuditLogFilter) -> Result<Self, Error> {
        let (actor, end) = store.read(scope.clone()).audit_log_size().await?;
        may_read(&actor, &scope)?;
        let mut export = Self {
            store,
            scope,
            filter,
            next: 0,
            end,
            page: Vec::new(),
        };
        export.page = export.read().await?;
        Ok(export)
    }

    /// The next rows; none after the last.
    ///
    /// # Errors
    /// As for every read: the right to it may have been taken away meanwhile.
    pub async fn next_page(&mut self) -> Result<Vec<Leaf>, Error> {
        if self.page.is_empty() {
            self.page = self.read().await?;
        }
        Ok(std::mem::take(&mut self.page))
    }

    async fn read(&mut self) -> Result<Vec<Leaf>, Error> {
        if self.next >= self.end {
            return Ok(Vec::new());
        }
        let read = self.store.read(self.scope.clone());
        let places = self.next..self.end;
        let (actor, leaves) = read
            .sealed_audit_logs(&self.filter, places, EXPORT_PAGE)
            .await?;
        may_read(&actor, &self.scope)?;
        let full = u64::try_from(leaves.len()).is_ok_and(|count| count == EXPORT_PAGE);
        self.next = leaves
            .last()
            .filter(|_| full)
            .map_or(self.end, |last| last.index + 1);
        Ok(leaves)
    }
}
