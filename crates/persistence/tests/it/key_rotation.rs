//! Keys that are changed while values are, and what ends with them.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use domain::{ServiceType, deployment::ports::DeploymentQueue, service::ServicePatch, user::User};
use persistence::encryption::{Readiness, Retired, Rotated};
use serde_json::Value;

use crate::ports::*;
use crate::{
    database::{Fixture, KEY},
    encryption::{CANARY, NEWER_KEY, config},
};

/// The ids of the keys that values within `config` are encrypted under.
fn kids(config: &Value) -> Vec<String> {
    let ids = domain::secret::sealed_keys(config).into_iter();
    ids.map(|id| id.to_string()).collect()
}

#[tokio::test]
async fn a_rotation_moves_everything_to_new_keys_and_the_old_ones_can_be_retired() {
    let fixture = Fixture::new(2).await;
    fixture.database.make_missing_data_keys().await.unwrap();
    let (ada, eve) = (fixture.user("ada").await, fixture.user("eve").await);
    let id = fixture.define(&ada, ServiceType::Database).await;
    let plain = fixture.define(&eve, ServiceType::Database).await;
    let in_the_clear = serde_json::to_value(config(CANARY)).unwrap();
    fixture.store(plain, &in_the_clear).await;
    let claim = fixture.start(&ada, id).await;
    let system = fixture.system().await;
    let template = "INSERT INTO service_templates (name, type, config, created_by) \
         SELECT 't', 'custom', $1, id FROM users WHERE username = 'ada'";
    system.execute(template, &[&in_the_clear]).await.unwrap();
    let before = fixture.keys().await;
    let old = before
        .iter()
        .find(|key| key.tenant == ada.tenant)
        .unwrap()
        .id;
    let refused = fixture.database.retire_data_key(old).await.unwrap_err();
    assert_eq!(refused.code(), "key_in_use");

    let newer = fixture.with_keys(&[NEWER_KEY, KEY]);
    let rotated = newer.rotate_keys(|_| {}).await.unwrap();
    let expected = Rotated {
        owners: 3,
        keys: 3,
        wrapped: 3,
        rows: 4,
        failures: Vec::new(),
    };
    assert_eq!(rotated, expected);
    assert_eq!(newer.rotation_since().await.unwrap(), None);

    let after = fixture.keys().await;
    let active = |user: &User| {
        let mut keys = after.iter();
        let key = keys.find(|key| key.tenant == user.tenant && key.state == "active");
        key.unwrap().id.to_string()
    };
    assert_eq!(kids(&fixture.stored(id).await), [active(&ada)]);
    assert_eq!(kids(&fixture.stored(plain).await), [active(&eve)]);
    let rest =
        "SELECT config FROM service_templates UNION ALL SELECT request FROM deployment_tasks";
    for row in system.query(rest, &[]).await.unwrap() {
        assert_eq!(kids(&row.get(0)), [active(&ada)]);
    }
    let newest = newer.keyring().ids()[0].clone();
    assert!(
        after.iter().all(|key| key.wrapped_by == newest),
        "{after:?}"
    );

    assert_eq!(newer.retire_data_key(old).await.unwrap(), Retired::Now);
    assert_eq!(newer.retire_data_key(old).await.unwrap(), Retired::Before);
    // The old key-encryption key is not needed any more.
    let alone = Fixture {
        database: fixture.with_keys(&[NEWER_KEY]),
        ..fixture
    };
    assert_eq!(
        alone.database.encryption_readiness().await.unwrap(),
        Readiness::Ready
    );
    assert_eq!(
        alone.reveal(&ada, id).await.unwrap().as_deref(),
        Some(CANARY)
    );
    alone
        .database
        .release(&claim, Duration::ZERO, 0)
        .await
        .unwrap();
    assert_eq!(alone.claim().await.request.unwrap().config, config(CANARY));
}

#[tokio::test]
async fn an_active_key_is_never_retired_and_an_unknown_one_is_not_found() {
    let fixture = Fixture::new(2).await;
    let ada = fixture.user("ada").await;
    let key = fixture.keys().await[0].id;
    let refused = fixture.database.retire_data_key(key).await.unwrap_err();
    assert!(refused.detail().contains("active"), "{refused}");
    let unknown = domain::secret::KeyId(ada.id.0);
    let refused = fixture.database.retire_data_key(unknown).await.unwrap_err();
    assert_eq!(refused.code(), "not_found");
}

#[tokio::test]
async fn a_rotation_that_was_interrupted_goes_on_and_makes_no_key_twice() {
    let fixture = Fixture::new(2).await;
    for name in ["ada", "bob", "eve", "zoe"] {
        let user = fixture.user(name).await;
        fixture.define(&user, ServiceType::Database).await;
    }
    // Dropped with the future, after two of the five owners: as a process that is killed.
    let told = AtomicU64::new(0);
    let interrupted = tokio::select! {
        biased;
        () = async {
            while told.load(Ordering::SeqCst) < 2 {
                tokio::task::yield_now().await;
            }
        } => true,
        _ = fixture.database.rotate_keys(|rotated| told.store(rotated.owners, Ordering::SeqCst)) => false,
    };
    assert!(interrupted);
    assert!(fixture.database.rotation_since().await.unwrap().is_some());
    let made = fixture.keys().await.len();
    let rotated = fixture.database.rotate_keys(|_| {}).await.unwrap();
    assert_eq!((rotated.owners, rotated.failures.len()), (5, 0));
    // The platform had none before; each of the four tenants has its old one and its new one.
    assert_eq!(fixture.keys().await.len(), 9);
    assert_eq!(rotated.keys, 9 - made as u64);
    for key in fixture.keys().await {
        let uses = fixture.database.uses_of_data_key(&key).await.unwrap();
        let used = key.state == "active" && key.tenant.is_some();
        assert_eq!(uses, u64::from(used), "{key:?}");
    }
}

#[tokio::test]
async fn values_change_while_keys_do_and_none_is_left_under_an_old_key() {
    let fixture = Fixture::new(8).await;
    let ada = fixture.user("ada").await;
    let id = fixture.define(&ada, ServiceType::Database).await;
    let stop = AtomicU64::new(0);
    let changes = async {
        let mut number = 0;
        while stop.load(Ordering::SeqCst) == 0 {
            number += 1;
            let password = format!("password-{number}");
            let mut transaction = fixture.begin(&ada).await;
            let (_, _, current) = transaction.lock_admission_of(id).await.unwrap();
            let patch = ServicePatch {
                config: Some(config(&password)),
                ..ServicePatch::default()
            };
            transaction.update_service(&current, patch).await.unwrap();
            let read = fixture.reveal(&ada, id).await.unwrap();
            assert_eq!(read, Some(password));
        }
        number
    };
    let rotations = async {
        for _ in 0..20 {
            let rotated = fixture.database.rotate_keys(|_| {}).await.unwrap();
            assert_eq!(rotated.failures, Vec::<String>::new());
        }
        stop.store(1, Ordering::SeqCst);
    };
    let (changed, ()) = tokio::join!(changes, rotations);
    assert!(changed > 0);
    for key in fixture.keys().await {
        if key.state == "old" {
            fixture.database.retire_data_key(key.id).await.unwrap();
        }
    }
    assert!(fixture.reveal(&ada, id).await.unwrap().is_some());
}
