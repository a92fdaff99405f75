//! Several logs in one go: none is left out, none waits for another, and no row is in two places.

use domain::{TenantId, audit_log::Log};
use futures::future::join_all;
use persistence::audit_seal::Seal;
use std::ops::Bound;
use tokio_postgres::Client;
use transparency_log::{
    Leaf, VerifierKeys,
    export::Line,
    verify::{Verification, Verified},
};

use super::{ALL, NEWER, Trail, seal_with, write};
use crate::{database::KEY, ports::*};

impl Trail {
    /// Tenants that nobody belongs to; a row that says so waits for the log of each.
    async fn tenants(&self, count: i32) -> Vec<Log> {
        let insert = "INSERT INTO tenants (id, name, slug)
            SELECT gen_random_uuid(), number::text, 'tenant-' || number FROM generate_series(1, $1) AS number RETURNING id";
        let client = self.fixture.across_tenants().await;
        let rows = client.query(insert, &[&count]).await.unwrap();
        rows.iter()
            .map(|row| Some(TenantId(row.get("id"))))
            .collect()
    }

    async fn number(&self, of: &str) -> i64 {
        let client = self.fixture.across_tenants().await;
        client.query_one(of, &[]).await.unwrap().get(0)
    }

    async fn leaves(&self, log: Log) -> Vec<Leaf> {
        let leaves = self.fixture.database.sealed_rows(log, 0..ALL, ALL).await;
        leaves.unwrap()
    }

    /// Whatever is sealed of every log, checked against its newest head; how many rows that are.
    async fn verified_logs(&self, seal: &Seal) -> u64 {
        let mut rows = 0;
        for sealed in self.fixture.database.sealed_logs().await.unwrap() {
            let keys = seal.keys.verifiers(&seal.origin(sealed.log)).join("\n");
            let keys: VerifierKeys = keys.parse().unwrap();
            let head = keys.open(&sealed.note).unwrap();
            let mut verification = Verification::new(vec![head]).unwrap();
            for leaf in self.leaves(sealed.log).await {
                let line = serde_json::to_string(&Line::of(&leaf).unwrap()).unwrap();
                verification.line(&line).unwrap();
            }
            let whole = Verified {
                rows: sealed.size,
                uncovered: 0,
            };
            assert_eq!(verification.finish().unwrap(), whole);
            rows += sealed.size;
        }
        rows
    }

    /// Everything that waits, as one server seals it; how many rows that were.
    async fn seal_all(&self) -> u64 {
        let (mut rows, mut from) = (0, Bound::Unbounded);
        loop {
            let logs = self.fixture.database.waiting_to_be_sealed(from).await;
            let logs = logs.unwrap();
            let Some(last) = logs.last() else {
                return rows;
            };
            from = Bound::Excluded(*last);
            let sealed = self.seal_logs(&logs).await;
            assert!(sealed.refused.is_empty(), "{:?}", sealed.refused);
            rows += sealed.rows;
        }
    }
}

async fn alter(owner: &Client, table: &str, tampering: &str) {
    let alter = format!(
        "ALTER TABLE {table} DISABLE TRIGGER USER; ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;
         {tampering};
         ALTER TABLE {table} ENABLE TRIGGER USER; ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
    );
    owner.batch_execute(&alter).await.unwrap();
}

#[tokio::test]
async fn several_logs_grow_in_one_transaction_each_by_its_rows_in_their_order() {
    let trail = Trail::new().await;
    let (logs, owner) = (trail.tenants(8).await, trail.owner().await);
    for number in 0..3 {
        for log in &logs {
            write(&owner, *log, &format!("note.{number}")).await;
        }
    }
    let sealed = trail.seal_logs(&logs).await;
    assert_eq!((sealed.rows, sealed.more), (32, false));
    assert!(sealed.refused.is_empty());
    for log in &logs {
        let leaves = trail.leaves(*log).await.into_iter();
        let actions: Vec<_> = leaves.map(|leaf| leaf.row.action).collect();
        assert_eq!(actions, ["tenant.create", "note.0", "note.1", "note.2"]);
    }
    let transactions = "SELECT COUNT(DISTINCT created_at) FROM audit_checkpoints";
    assert_eq!(trail.number(transactions).await, 1);
    assert_eq!(trail.verified_logs(&trail.seal).await, 32);
}

#[tokio::test]
async fn a_log_that_is_not_what_its_head_says_does_not_stop_the_others() {
    for (table, tampering) in [
        (
            "audit_hashes",
            "UPDATE audit_hashes SET hash = sha256('forged')",
        ),
        ("audit_checkpoints", "DELETE FROM audit_checkpoints"),
    ] {
        let trail = Trail::new().await;
        let (logs, owner) = (trail.tenants(5).await, trail.owner().await);
        trail.seal_all().await;
        for log in &logs {
            write(&owner, *log, "note.after").await;
        }
        let Some(TenantId(tampered)) = logs[2] else {
            panic!("a tenant")
        };
        let tampering = format!("{tampering} WHERE tenant_id = '{tampered}'");
        alter(&owner, table, &tampering).await;

        let sealed = trail.seal_logs(&logs).await;
        assert_eq!((sealed.rows, sealed.more), (4, false), "{tampering}");
        let reasons = format!("{:?}", sealed.refused);
        assert_eq!(sealed.refused.len(), 1, "{reasons}");
        assert!(reasons.contains(&tampered.to_string()), "{reasons}");
        assert_eq!(trail.waiting().await, [logs[2]], "{tampering}");
    }
}

#[tokio::test]
async fn several_sealers_share_the_logs_and_seal_each_row_once() {
    let trail = Trail::new().await;
    let (logs, owner) = (trail.tenants(120).await, trail.owner().await);
    for round in 0..3 {
        for log in logs.iter().step_by(round + 1) {
            write(&owner, *log, "note").await;
        }
        let waiting = trail.number("SELECT COUNT(*) FROM audit_pending").await;
        let sealed = join_all((0..4).map(|_| trail.seal_all())).await;
        // A log that one of them had is passed over by the others, so one of them may be done before it is sealed.
        assert_eq!(sealed.iter().sum::<u64>(), waiting.unsigned_abs());
        assert_eq!(trail.waiting().await, []);
    }
    let rows = trail.number("SELECT COUNT(*) FROM audit_logs").await;
    assert_eq!(trail.verified_logs(&trail.seal).await, rows.unsigned_abs());
}

#[tokio::test]
async fn the_rows_of_one_tenant_are_taken_in_parts_and_those_of_others_do_not_wait_for_them() {
    let trail = Trail::new().await;
    let before = trail.seal_all().await;
    let (logs, owner) = (trail.tenants(4).await, trail.owner().await);
    let flood = "INSERT INTO audit_logs (user_id, tenant_id, action, resource)
        SELECT '00000000-0000-0000-0000-000000000001', $1, 'note.' || number, 'r' FROM generate_series(1, 2500) AS number";
    let flooded = logs[1].map(|tenant| tenant.0);
    owner.execute(flood, &[&flooded]).await.unwrap();

    let sealed = trail.seal_logs(&logs).await;
    assert!(sealed.more);
    assert!((4..=1000).contains(&sealed.rows), "{}", sealed.rows);
    assert_eq!(trail.waiting().await, [logs[1]]);
    let mut rows = sealed.rows;
    loop {
        let sealed = trail.seal_logs(&logs).await;
        assert!(sealed.rows <= 1000, "{}", sealed.rows);
        rows += sealed.rows;
        if !sealed.more {
            break;
        }
    }
    assert_eq!(rows, 2504);
    let leaves = trail.leaves(logs[1]).await.into_iter().skip(1);
    let actions: Vec<_> = leaves.map(|leaf| leaf.row.action).collect();
    let queued: Vec<_> = (1..=2500).map(|number| format!("note.{number}")).collect();
    assert_eq!(actions, queued);
    assert_eq!(trail.verified_logs(&trail.seal).await, before + 2504);
}

#[tokio::test]
async fn a_new_key_signs_the_heads_of_all_logs_anew() {
    let trail = Trail::new().await;
    trail.tenants(120).await;
    let rows = trail.seal_all().await;
    let seal = seal_with(&format!("{NEWER}\n{KEY}"));
    let (mut signed, mut from) = (0, Bound::Unbounded);
    loop {
        let logs = trail.fixture.database.sealed_with_another_key(&seal, from);
        let logs = logs.await.unwrap();
        let Some(last) = logs.last() else { break };
        from = Bound::Excluded(*last);
        signed += logs.len();
        let sealed = trail.fixture.database.seal(&logs, &seal).await.unwrap();
        assert_eq!((sealed.rows, sealed.refused.len()), (0, 0));
    }
    let heads = trail.fixture.database.sealed_logs().await.unwrap().len();
    assert_eq!(signed, heads);
    assert_eq!(trail.verified_logs(&seal_with(NEWER)).await, rows);
}
