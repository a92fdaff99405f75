//! Secret values at rest: nothing in the clear, and nothing that can be moved.

use std::time::Duration;

use domain::{
    DeploymentAction, Error, ServiceConfig, ServiceId, ServiceType,
    deployment::{
        Claim, JobDocument, JobPlace, Phase, WorkerId,
        ports::{DeploymentQueue, NewDeployment, Progress},
    },
    secret::MARKER,
    service::{NewService, OpenService, ServicePatch},
    user::User,
};
use persistence::{
    Database, StoredConfig, TenantTx,
    encryption::{KeyStanding, Readiness},
};
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

use crate::database::{Fixture, KEY, keyring, scope, secrecy_text, unanswered};
use crate::ports::*;

pub const CANARY: &str = "canary-c0ffee-secret";
pub const NEWER_KEY: &str = "//////////////////////////////////////////8=";
const PASSWORD: &str = "/environment/PASSWORD";
const LEASE: Duration = Duration::from_secs(30);

pub fn config(password: &str) -> ServiceConfig {
    let config = json!({
        "image": "nginx:1", "environment": {"PASSWORD": password, "OTHER": "other"},
        "custom_variables": {"token": password, "region": "eu"}, "sensitive": ["/custom_variables/token"],
    });
    ServiceConfig::parse(&config, "").unwrap()
}

impl Fixture {
    pub async fn begin(&self, user: &User) -> TenantTx {
        self.database.tenant(scope(user)).await.unwrap()
    }

    pub async fn define(&self, user: &User, service_type: ServiceType) -> ServiceId {
        let mut transaction = self.begin(user).await;
        let (actor, _) = transaction.lock_admission().await.unwrap();
        let new = NewService {
            name: service_type.to_string(),
            service_type,
            description: None,
            config: config(CANARY),
        };
        let made = transaction.insert_service(&actor, new, |_| unanswered());
        made.await.unwrap().id
    }

    pub async fn opened(&self, user: &User, id: ServiceId) -> OpenService<StoredConfig> {
        let mut transaction = self.begin(user).await;
        let (_, service) = transaction.service_with_secrets(id).await.unwrap();
        transaction.commit().await.unwrap();
        service
    }

    pub async fn reveal(&self, user: &User, id: ServiceId) -> Result<Option<String>, Error> {
        self.opened(user, id).await.config.secret(PASSWORD)
    }

    pub async fn start(&self, user: &User, id: ServiceId) -> Claim {
        let mut transaction = self.begin(user).await;
        let (actor, current, _) = transaction.lock_for_deployment(id).await.unwrap();
        let (config, place) = (current.config.open().unwrap(), JobPlace::of("default", id));
        let new = NewDeployment {
            service: &current.service,
            config: Some(&config),
            action: DeploymentAction::Start,
            place: &place,
            spec_hash: None,
            phase: Phase::Accepted,
            deadline: Duration::from_secs(600),
        };
        let made = transaction.insert_deployment(&actor, new, |_| unanswered());
        made.await.unwrap();
        self.claim().await
    }

    pub async fn claim(&self) -> Claim {
        let worker = WorkerId(uuid());
        let claims = self.database.claim(worker, LEASE, 10).await.unwrap();
        claims.into_iter().next().unwrap()
    }

    /// The role that works across tenants.
    pub async fn system(&self) -> Client {
        let url = secrecy_text(&self.owned);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let role = client.batch_execute("SET ROLE nomad_services_system");
        role.await.unwrap();
        client
    }

    pub async fn stored(&self, id: ServiceId) -> Value {
        let select = "SELECT config FROM services WHERE id = $1";
        let row = self.system().await.query_one(select, &[&id.0]).await;
        row.unwrap().get(0)
    }

    pub async fn store(&self, id: ServiceId, config: &Value) {
        let update = "UPDATE services SET config = $2 WHERE id = $1";
        let changed = self.system().await.execute(update, &[&id.0, config]).await;
        assert_eq!(changed.unwrap(), 1);
    }

    pub async fn keys(&self) -> Vec<KeyStanding> {
        self.database.data_keys(None, None, 100).await.unwrap()
    }

    /// The same database with other key-encryption keys.
    pub fn with_keys(&self, keys: &[&str]) -> Database {
        self.database.clone().with_keyring(keyring(keys))
    }
}

fn uuid() -> sea_orm::prelude::Uuid {
    sea_orm::prelude::Uuid::from_u128(7)
}

#[tokio::test]
async fn secrets_are_encrypted_at_rest_shown_as_a_marker_and_opened_for_whoever_may() {
    let fixture = Fixture::new(2).await;
    let ada = fixture.user("ada").await;
    let id = fixture.define(&ada, ServiceType::Database).await;
    let stored = fixture.stored(id).await;
    assert!(!stored.to_string().contains(CANARY), "{stored}");
    assert_eq!(stored["custom_variables"]["region"], "eu");
    let sealed = &stored["environment"]["PASSWORD"]["$enc"];
    let names: Vec<_> = sealed.as_object().unwrap().keys().collect();
    assert_eq!(names, ["ct", "kid", "n", "v"]);

    let read = fixture.database.read(scope(&ada)).service(id).await;
    let shown = read.unwrap().1.config.read().unwrap();
    assert_eq!(shown.environment.unwrap().0["PASSWORD"], MARKER);
    assert_eq!(shown.custom_variables.unwrap().0["token"], MARKER);

    let open = fixture.opened(&ada, id).await.config;
    assert_eq!(open.open().unwrap(), config(CANARY));
    assert_eq!(open.secret(PASSWORD).unwrap().as_deref(), Some(CANARY));
    for nothing in [
        "/environment/NOTHING",
        "/custom_variables/region",
        "/image",
        "",
    ] {
        assert_eq!(open.secret(nothing).unwrap(), None, "{nothing}");
    }
}

#[tokio::test]
async fn encrypting_costs_no_round_trip_not_even_the_first_time() {
    let fixture = Fixture::new(1).await;
    let ada = fixture.user("ada").await;
    let eve = fixture.user("eve").await;
    fixture.define(&ada, ServiceType::Database).await;
    let before = fixture.proxy.round_trips();
    fixture.define(&eve, ServiceType::Database).await;
    assert_eq!(fixture.proxy.round_trips() - before, 2);
}

#[tokio::test]
async fn a_ciphertext_is_good_in_its_own_row_and_field_of_its_own_tenant_alone() {
    let fixture = Fixture::new(2).await;
    let (ada, eve) = (fixture.user("ada").await, fixture.user("eve").await);
    let own = fixture.define(&ada, ServiceType::Database).await;
    let second = fixture.define(&ada, ServiceType::Custom).await;
    let foreign = fixture.define(&eve, ServiceType::Database).await;
    let good = fixture.stored(own).await;
    let password = |config: &Value| config["environment"]["PASSWORD"].clone();
    let moved = [
        ("another field", good["environment"]["OTHER"].clone()),
        ("another part", good["custom_variables"]["token"].clone()),
        ("another row", password(&fixture.stored(second).await)),
        ("another tenant", password(&fixture.stored(foreign).await)),
        ("another form", json!({"$enc": {"v": 2}})),
    ];
    for (what, value) in moved {
        let mut config = good.clone();
        config["environment"]["PASSWORD"] = value;
        fixture.store(own, &config).await;
        let refused = fixture.reveal(&ada, own).await.unwrap_err();
        assert_eq!(refused.code(), "decryption_failed", "{what}");
        assert!(!refused.detail().contains("$enc"), "{refused}");
        let other = fixture
            .opened(&ada, own)
            .await
            .config
            .secret("/environment/OTHER");
        assert_eq!(other.unwrap().as_deref(), Some("other"), "{what}");
    }
    // A service handed over with its whole configuration, and by the owner of the tables with its key, stays closed.
    let owner = fixture.system().await;
    let disarm =
        "RESET ROLE; ALTER TABLE tenant_keys DISABLE TRIGGER USER; SET ROLE nomad_services_system";
    owner.batch_execute(disarm).await.unwrap();
    let update =
        "UPDATE tenant_keys SET tenant_id = $2, state = 'old', version = 9 WHERE tenant_id = $1";
    let (from, to) = (ada.tenant.unwrap().0, eve.tenant.unwrap().0);
    assert_eq!(owner.execute(update, &[&from, &to]).await.unwrap(), 1);
    fixture.store(foreign, &good).await;
    let refused = fixture.reveal(&eve, foreign).await.unwrap_err();
    assert_eq!(refused.code(), "decryption_failed");
}

#[tokio::test]
async fn what_was_stored_in_the_clear_is_read_and_encrypted_with_the_next_change() {
    let fixture = Fixture::new(2).await;
    let ada = fixture.user("ada").await;
    let id = fixture.define(&ada, ServiceType::Database).await;
    let plain = serde_json::to_value(config(CANARY)).unwrap();
    fixture.store(id, &plain).await;
    assert_eq!(
        fixture.reveal(&ada, id).await.unwrap().as_deref(),
        Some(CANARY)
    );
    let read = fixture.database.read(scope(&ada)).service(id).await;
    assert_eq!(
        read.unwrap()
            .1
            .config
            .read()
            .unwrap()
            .environment
            .unwrap()
            .0["PASSWORD"],
        MARKER
    );

    let mut transaction = fixture.begin(&ada).await;
    let (_, _, current) = transaction.lock_admission_of(id).await.unwrap();
    let patch = ServicePatch {
        name: Some("renamed".to_owned()),
        ..ServicePatch::default()
    };
    transaction.update_service(&current, patch).await.unwrap();
    assert!(!fixture.stored(id).await.to_string().contains(CANARY));
    assert_eq!(
        fixture.reveal(&ada, id).await.unwrap().as_deref(),
        Some(CANARY)
    );
}

#[tokio::test]
async fn what_a_start_keeps_and_the_job_built_from_it_are_encrypted_and_reach_the_worker() {
    let fixture = Fixture::new(2).await;
    let ada = fixture.user("ada").await;
    let id = fixture.define(&ada, ServiceType::Database).await;
    let claim = fixture.start(&ada, id).await;
    assert_eq!(claim.request.as_ref().unwrap().config, config(CANARY));
    let job = JobDocument(json!({"Env": {"PASSWORD": CANARY}}));
    let progress = Progress {
        phase: Phase::Prepared,
        job: Some(job.clone()),
        reason: None,
    };
    fixture
        .database
        .record(&claim, &progress, LEASE)
        .await
        .unwrap();
    let released = fixture.database.release(&claim, Duration::ZERO, 0).await;
    released.unwrap();
    assert_eq!(fixture.claim().await.job, Some(job));
    let tasks = "SELECT string_agg(task::text, '') FROM deployment_tasks task";
    let stored: String = fixture
        .system()
        .await
        .query_one(tasks, &[])
        .await
        .unwrap()
        .get(0);
    assert!(
        stored.contains("$enc") && !stored.contains(CANARY),
        "{stored}"
    );
}

#[tokio::test]
async fn a_start_whose_record_was_tampered_with_fails_and_hinders_no_other() {
    let fixture = Fixture::new(2).await;
    let ada = fixture.user("ada").await;
    let broken = fixture.define(&ada, ServiceType::Database).await;
    let claim = fixture.start(&ada, broken).await;
    fixture
        .database
        .release(&claim, Duration::ZERO, 0)
        .await
        .unwrap();
    let system = fixture.system().await;
    let tamper = "UPDATE deployment_tasks SET request = jsonb_set(request, '{$enc,v}', '9')";
    system.execute(tamper, &[]).await.unwrap();
    let good = fixture.define(&ada, ServiceType::Custom).await;
    assert_eq!(fixture.start(&ada, good).await.service_id, good);
    let failed =
        "SELECT status || ': ' || error_msg FROM service_deployments WHERE service_id = $1";
    let failed: String = system.query_one(failed, &[&broken.0]).await.unwrap().get(0);
    assert!(
        failed.starts_with("failed: ") && failed.contains("can't be decrypted"),
        "{failed}"
    );
}

#[tokio::test]
async fn a_wrong_key_is_noticed_before_anything_is_written() {
    let fixture = Fixture::new(2).await;
    let readiness = async |database: &Database| database.encryption_readiness().await.unwrap();
    assert_eq!(readiness(&fixture.database).await, Readiness::Ready);
    fixture.database.make_missing_data_keys().await.unwrap();
    let unready = readiness(&fixture.with_keys(&[NEWER_KEY])).await;
    let Readiness::Unready(reason) = unready else {
        panic!("a wrong key is taken")
    };
    let right = &fixture.database.keyring().ids()[0];
    assert!(reason.contains(right), "{reason}");
    assert_eq!(
        readiness(&fixture.with_keys(&[NEWER_KEY, KEY])).await,
        Readiness::Ready
    );

    // The canary: the platform's own key.
    let flip = "UPDATE tenant_keys SET wrapped = set_byte(wrapped, 30, get_byte(wrapped, 30) # 1) WHERE tenant_id IS NULL";
    assert_eq!(fixture.system().await.execute(flip, &[]).await.unwrap(), 1);
    let unready = readiness(&fixture.with_keys(&[KEY])).await;
    assert!(matches!(unready, Readiness::Unready(reason) if reason.contains("can't be unwrapped")));
}
