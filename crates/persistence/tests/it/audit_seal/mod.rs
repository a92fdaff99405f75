//! What writers, several sealers and a tampering hand make of a tenant's log.

mod several_logs;

use std::ops::Bound;

use domain::{
    TenantId,
    audit_log::{AuditLogFilter, Log, Sealed},
    page::PageRequest,
    user::User,
};
use futures::future::join_all;
use persistence::audit_seal::Seal;
use tokio_postgres::{Client, NoTls};
use transparency_log::{
    LogKeys, VerifierKeys,
    export::Line,
    verify::{Verification, Verified},
};

use crate::database::{Fixture, KEY, scope, secrecy_text};
use crate::ports::*;

/// More than there is in any of these tests.
const ALL: u64 = 10_000;

/// A key that comes after [`KEY`].
const NEWER: &str = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn seal_with(keys: &str) -> Seal {
    Seal {
        host: "example.com".to_owned(),
        keys: LogKeys::parse(&keys.into()).unwrap(),
    }
}

struct Trail {
    fixture: Fixture,
    user: User,
    seal: Seal,
}

impl Trail {
    async fn new() -> Self {
        let fixture = Fixture::new(16).await;
        Self {
            user: fixture.user("ada").await,
            fixture,
            seal: seal_with(KEY),
        }
    }

    fn log(&self) -> Log {
        self.user.tenant
    }

    /// A session of the tables' owner, who may add to the trail by hand.
    async fn owner(&self) -> Client {
        let url = secrecy_text(&self.fixture.owned);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    async fn seal(&self) -> u64 {
        let sealed = self.seal_logs(&[self.log()]).await;
        assert!(sealed.refused.is_empty(), "{:?}", sealed.refused);
        sealed.rows
    }

    async fn seal_logs(&self, logs: &[Log]) -> Sealed {
        let sealed = self.fixture.database.seal(logs, &self.seal).await;
        sealed.unwrap()
    }

    /// Every log that rows wait for.
    async fn waiting(&self) -> Vec<Log> {
        let (mut waiting, mut from) = (Vec::new(), Bound::Unbounded);
        loop {
            let found = self.fixture.database.waiting_to_be_sealed(from).await;
            let found = found.unwrap();
            let Some(last) = found.last() else {
                return waiting;
            };
            from = Bound::Excluded(*last);
            waiting.extend(found);
        }
    }

    /// The export of the log and its newest checkpoint, checked against each other.
    async fn verified(&self) -> Verified {
        let read = self.fixture.database.read(scope(&self.user));
        let (_, note) = read.audit_checkpoint(None).await.unwrap();
        let keys = self.seal.keys.verifiers(&self.seal.origin(self.log()));
        let keys: VerifierKeys = keys.join("\n").parse().unwrap();
        let head = keys.open(&note.unwrap()).unwrap();
        let mut verification = Verification::new(vec![head]).unwrap();
        for line in self.lines().await {
            verification
                .line(&serde_json::to_string(&line).unwrap())
                .unwrap();
        }
        verification.finish().unwrap()
    }

    async fn lines(&self) -> Vec<Line> {
        let read = self.fixture.database.read(scope(&self.user));
        let filter = AuditLogFilter::default();
        let (_, leaves) = read.sealed_audit_logs(&filter, 0..ALL, ALL).await.unwrap();
        leaves.iter().map(|leaf| Line::of(leaf).unwrap()).collect()
    }

    async fn actions(&self) -> Vec<String> {
        let lines = self.lines().await;
        lines.into_iter().map(|line| line.row.action).collect()
    }
}

async fn write(client: &Client, tenant: Log, action: &str) {
    let tenant = tenant.map(|tenant| tenant.0);
    let insert = "INSERT INTO audit_logs (user_id, tenant_id, action, resource)
        VALUES ('00000000-0000-0000-0000-000000000001', $1, $2, 'r')";
    client.execute(insert, &[&tenant, &action]).await.unwrap();
}

#[tokio::test]
async fn what_waits_is_sealed_and_verifies_batch_after_batch() {
    let trail = Trail::new().await;
    let owner = trail.owner().await;
    let mut rows = trail.seal().await;
    assert!(rows > 0, "registering leaves rows");
    for _ in 0..3 {
        for number in 0..5 {
            write(&owner, trail.log(), &format!("note.{number}")).await;
        }
        assert_eq!(trail.seal().await, 5);
        rows += 5;
        assert_eq!(trail.verified().await, Verified { rows, uncovered: 0 });
    }
    assert_eq!(trail.seal().await, 0, "there is nothing left to do");
}

#[tokio::test]
async fn the_rows_of_the_platform_have_a_log_of_their_own() {
    let trail = Trail::new().await;
    write(&trail.owner().await, None, "note.platform").await;
    assert!(trail.waiting().await.contains(&None));
    assert!(trail.seal_logs(&[None]).await.rows > 0);
    assert_eq!(trail.waiting().await, [trail.log()]);
}

#[tokio::test]
async fn a_row_that_is_committed_late_is_sealed_late_and_never_skipped() {
    let trail = Trail::new().await;
    trail.seal().await;
    let (slow, quick) = (trail.owner().await, trail.owner().await);
    slow.batch_execute("BEGIN").await.unwrap();
    write(&slow, trail.log(), "note.early").await;
    write(&quick, trail.log(), "note.late").await;
    assert_eq!(trail.seal().await, 1);
    assert_eq!(trail.waiting().await, []);

    slow.batch_execute("COMMIT").await.unwrap();
    assert_eq!(trail.waiting().await, [trail.log()]);
    assert_eq!(trail.seal().await, 1);
    let actions = trail.actions().await;
    assert_eq!(actions[actions.len() - 2..], ["note.late", "note.early"]);
    trail.verified().await;
}

#[tokio::test]
async fn several_sealers_at_once_make_one_log() {
    let trail = Trail::new().await;
    let owner = trail.owner().await;
    let mut written = 0;
    while written < 60 {
        write(&owner, trail.log(), &format!("note.{written}")).await;
        written += 1;
        if written % 10 == 0 {
            join_all((0..4).map(|_| trail.seal())).await;
        }
    }
    trail.seal().await;
    assert_eq!(trail.waiting().await, []);
    let verified = trail.verified().await;
    let notes = trail.actions().await.into_iter();
    assert_eq!(
        notes.filter(|action| action.starts_with("note.")).count(),
        60
    );
    assert_eq!(verified.uncovered, 0);
}

#[tokio::test]
async fn writers_of_every_tenant_go_on_while_a_log_is_being_sealed() {
    let trail = Trail::new().await;
    let mut tenants = vec![trail.log()];
    for number in 0..7 {
        tenants.push(trail.fixture.user(&format!("user{number}")).await.tenant);
    }
    let size = trail.seal().await + 1;
    write(&trail.owner().await, trail.log(), "note.before").await;

    // The sealer stops at its last statement, because another holds the head that it is about to write.
    let (blocker, observer) = (trail.owner().await, trail.owner().await);
    let head = "BEGIN; SET LOCAL ROLE nomad_services_system;
        INSERT INTO audit_checkpoints (tenant_id, tree_size, note, key_id) VALUES";
    let Some(TenantId(tenant)) = trail.log() else {
        panic!("a tenant")
    };
    let id = format!(
        "{:08x}",
        trail.seal.keys.id(&trail.seal.origin(trail.log()))
    );
    blocker
        .batch_execute(&format!("{head} ('{tenant}', {size}, '', '{id}')"))
        .await
        .unwrap();
    let meanwhile = async {
        let waits = "SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE NOT granted AND datname = current_database()";
        while observer.query(waits, &[]).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let writers = tenants.iter().map(async |tenant| {
            let writer = trail.owner().await;
            // It would be refused rather than wait for a lock that the sealer holds.
            writer
                .batch_execute("SET lock_timeout = '1s'")
                .await
                .unwrap();
            write(&writer, *tenant, "note.meanwhile").await;
        });
        join_all(writers).await;
        let others = tenants[1..].iter().map(async |tenant| {
            let sealed = trail.seal_logs(&[*tenant]).await;
            assert!(sealed.rows > 0, "the logs of others are sealed meanwhile");
        });
        join_all(others).await;
        assert_eq!(trail.seal().await, 0, "this one has its sealer");
        blocker.batch_execute("ROLLBACK").await.unwrap();
    };
    let (sealed, ()) = tokio::join!(trail.seal(), meanwhile);
    assert_eq!(sealed, 1);
    assert_eq!(trail.seal().await, 1, "what was written meanwhile");
    trail.verified().await;
}

#[tokio::test]
async fn a_log_that_was_tampered_with_is_not_sealed_any_further() {
    for tampering in [
        "UPDATE audit_hashes SET hash = sha256('forged')",
        "UPDATE audit_checkpoints SET note = replace(note, E'\\n', E'\\n\\n')",
        "UPDATE audit_checkpoints SET tree_size = tree_size - 1",
        "DELETE FROM audit_checkpoints",
        "DELETE FROM audit_hashes",
    ] {
        let trail = Trail::new().await;
        trail.seal().await;
        let owner = trail.owner().await;
        write(&owner, trail.log(), "note.after").await;
        let table = tampering
            .split(' ')
            .find(|word| word.starts_with("audit_"))
            .unwrap();
        owner
            .batch_execute(&format!(
                "ALTER TABLE {table} DISABLE TRIGGER USER; ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY; {tampering}"
            ))
            .await
            .unwrap();
        let sealed = trail.seal_logs(&[trail.log()]).await;
        assert_eq!((sealed.rows, sealed.refused.len()), (0, 1), "{tampering}");
        assert!(trail.waiting().await.contains(&trail.log()), "{tampering}");
    }
}

#[tokio::test]
async fn an_edited_or_removed_row_is_named_by_whoever_checks_the_export() {
    let trail = Trail::new().await;
    let owner = trail.owner().await;
    for number in 0..4 {
        write(&owner, trail.log(), &format!("note.{number}")).await;
    }
    let rows = trail.seal().await;
    owner
        .batch_execute("ALTER TABLE audit_logs DISABLE TRIGGER USER; ALTER TABLE audit_logs NO FORCE ROW LEVEL SECURITY")
        .await
        .unwrap();
    let finding = async || {
        let read = trail.fixture.database.read(scope(&trail.user));
        let (_, note) = read.audit_checkpoint(None).await.unwrap();
        let keys = trail.seal.keys.verifiers(&trail.seal.origin(trail.log()));
        let keys: VerifierKeys = keys.join("\n").parse().unwrap();
        let head = keys.open(&note.unwrap()).unwrap();
        let mut verification = Verification::new(vec![head]).unwrap();
        for line in trail.lines().await {
            verification.line(&serde_json::to_string(&line).unwrap())?;
        }
        verification.finish()
    };
    for (tampering, place) in [
        (
            "UPDATE audit_logs SET resource = 'other' WHERE action = 'note.3'",
            rows - 1,
        ),
        (
            "UPDATE audit_logs SET resource = 'other' WHERE action = 'note.1'",
            rows - 3,
        ),
        ("DELETE FROM audit_logs WHERE action = 'note.0'", rows - 4),
    ] {
        owner.batch_execute(tampering).await.unwrap();
        let named = finding().await.unwrap_err().to_string();
        assert!(
            named.starts_with(&format!("row {place} ")),
            "{tampering}: {named}"
        );
    }
}

#[tokio::test]
async fn a_new_key_signs_the_last_head_anew_and_the_old_one_can_go() {
    let mut trail = Trail::new().await;
    let rows = trail.seal().await;
    let database = trail.fixture.database.clone();
    let stale = async |seal: &Seal| {
        let stale = database.sealed_with_another_key(seal, Bound::Unbounded);
        stale.await.unwrap()
    };
    assert_eq!(stale(&trail.seal).await, []);

    trail.seal = seal_with(&format!("{NEWER}\n{KEY}"));
    trail.verified().await;
    assert_eq!(stale(&trail.seal).await, [trail.log()]);
    assert_eq!(trail.seal().await, 0);
    assert_eq!(stale(&trail.seal).await, []);

    trail.seal = seal_with(NEWER);
    assert_eq!(trail.verified().await, Verified { rows, uncovered: 0 });
    write(&trail.owner().await, trail.log(), "note.after").await;
    assert_eq!(trail.seal().await, 1);

    trail.seal = seal_with(KEY);
    write(&trail.owner().await, trail.log(), "note.unknown").await;
    let sealed = trail.seal_logs(&[trail.log()]).await;
    assert_eq!(
        sealed.refused.len(),
        1,
        "a head that no key of this server's has signed"
    );
}

#[tokio::test]
async fn a_key_that_is_put_back_goes_on_where_the_other_has_signed() {
    let mut trail = Trail::new().await;
    trail.seal().await;
    trail.seal = seal_with(&format!("{NEWER}\n{KEY}"));
    assert_eq!(trail.seal().await, 0);
    trail.seal = seal_with(&format!("{KEY}\n{NEWER}"));
    assert_eq!(trail.seal().await, 0);
    write(&trail.owner().await, trail.log(), "note.after").await;
    assert_eq!(trail.seal().await, 1);
    trail.verified().await;
}

#[tokio::test]
async fn what_was_archived_is_not_counted_any_more() {
    let trail = Trail::new().await;
    let owner = trail.owner().await;
    let tenant = trail.log().map(|tenant| tenant.0);
    let flood = "INSERT INTO audit_logs (user_id, tenant_id, action, resource)
        SELECT '00000000-0000-0000-0000-000000000001', $1, 'note', 'r' FROM generate_series(1, 1200)";
    let total = async || {
        let request = PageRequest {
            limit: 1,
            after: None,
            offset: 0,
            counts_all: false,
        };
        let read = trail.fixture.database.read(scope(&trail.user));
        let filter = AuditLogFilter::default();
        let (_, page) = read.list_audit_logs(&filter, request).await.unwrap();
        (page.total, page.total_is_exact)
    };
    owner.execute(flood, &[&tenant]).await.unwrap();
    assert_eq!(total().await, (1001, false), "nothing is sealed");
    let mut rows = 0;
    for _ in 0..2 {
        rows += trail.seal().await;
    }
    assert_eq!(total().await, (rows, false));

    owner
        .batch_execute("SELECT archive_audit_logs('2100-01-01')")
        .await
        .unwrap();
    assert_eq!(total().await, (1, true), "the row that says so");
    owner.execute(flood, &[&tenant]).await.unwrap();
    for _ in 0..2 {
        trail.seal().await;
    }
    assert_eq!(total().await, (1201, false));
}
