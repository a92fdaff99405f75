use chrono::Utc;
use domain::{
    Acting, Credential, Error, Origin, Scope, ServiceId, ServiceType, SystemPurpose, TenantScope,
    api_key::NewApiKey, page::PageRequest, service::ServiceFilter,
};
use serde_json::json;

use crate::database::{Fixture, scope, service, unanswered};
use crate::ports::*;

const PAGE: PageRequest = PageRequest {
    limit: 50,
    after: None,
    offset: 0,
    counts_all: false,
};

impl Fixture {
    pub async fn names(&self, user: &domain::user::User) -> Result<Vec<String>, Error> {
        let read = self.database.read(scope(user));
        let (_, page) = read.list_services(&ServiceFilter::default(), PAGE).await?;
        Ok(page.items.into_iter().map(|service| service.name).collect())
    }

    pub async fn only_service(&self, user: &domain::user::User) -> ServiceId {
        let read = self.database.read(scope(user));
        let listed = read.list_services(&ServiceFilter::default(), PAGE).await;
        listed.unwrap().1.items[0].id
    }

    pub async fn create(&self, user: &domain::user::User, service_type: ServiceType) {
        let mut transaction = self.database.tenant(scope(user)).await.unwrap();
        let (actor, _) = transaction.lock_admission().await.unwrap();
        transaction
            .insert_service(&actor, service(service_type), |_| unanswered())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_list_and_a_read_are_one_round_trip_and_a_create_two() {
    let fixture = Fixture::new(1).await;
    let ada = fixture.user("ada").await;
    // The first of each prepares its statements.
    fixture.create(&ada, ServiceType::Database).await;
    fixture.names(&ada).await.unwrap();
    let id = fixture.only_service(&ada).await;
    let read = async || {
        let (_, service) = fixture
            .database
            .read(scope(&ada))
            .service(id)
            .await
            .unwrap();
        service.name
    };
    read().await;

    let before = fixture.proxy.round_trips();
    assert_eq!(fixture.names(&ada).await.unwrap(), ["database"]);
    assert_eq!(fixture.proxy.round_trips() - before, 1);

    let before = fixture.proxy.round_trips();
    assert_eq!(read().await, "database");
    assert_eq!(fixture.proxy.round_trips() - before, 1);

    let before = fixture.proxy.round_trips();
    fixture.create(&ada, ServiceType::Custom).await;
    assert_eq!(fixture.proxy.round_trips() - before, 2);
}

/// Whose key it is, a server remembers; whether it is good, the same exchange says.
#[tokio::test]
async fn a_read_with_an_api_key_is_one_round_trip() {
    let fixture = Fixture::new(1).await;
    let ada = fixture.user("ada").await;
    fixture.create(&ada, ServiceType::Database).await;
    let mut transaction = fixture.database.tenant(scope(&ada)).await.unwrap();
    let (actor, []) = transaction.enter([]).await.unwrap();
    let new = NewApiKey::parse(&json!({"name": "ci", "scopes": ["read"]}), Utc::now()).unwrap();
    let stored = "public$hash".to_owned();
    let key = transaction
        .insert_api_key(&actor, new, stored.clone(), |_| unanswered())
        .await
        .unwrap();
    let names = async |stored: &str| {
        let credential = Credential::ApiKey {
            id: key.id,
            stored: stored.to_owned(),
        };
        let scope = TenantScope {
            credential,
            ..scope(&ada)
        };
        let read = fixture.database.read(scope);
        let listed = read.list_services(&ServiceFilter::default(), PAGE).await?;
        Ok::<_, Error>((listed.0.scopes, listed.1.total))
    };
    names(&stored).await.unwrap();
    let before = fixture.proxy.round_trips();
    let (scopes, total) = names(&stored).await.unwrap();
    assert_eq!(fixture.proxy.round_trips() - before, 1);
    assert_eq!(
        (scopes, total),
        (Some([Scope::Read].into_iter().collect()), 1)
    );
    let error = names("public$another").await.unwrap_err();
    assert_eq!(error.code(), "unauthenticated");
}

#[tokio::test]
async fn a_session_that_has_ended_reads_nothing() {
    let fixture = Fixture::new(1).await;
    let ada = fixture.user("ada").await;
    fixture.names(&ada).await.unwrap();
    let acting = Acting::user(ada.id, ada.tenant, Origin::default());
    let purpose = SystemPurpose::Account;
    let transaction = fixture.database.system(purpose, &acting).await.unwrap();
    assert!(transaction.end_session_of(ada.id, ada.id.0).await.unwrap());
    transaction.commit().await.unwrap();
    let error = fixture.names(&ada).await.unwrap_err();
    assert_eq!(error.code(), "unauthenticated");
}

#[tokio::test]
async fn a_pooled_connection_carries_nothing_of_one_tenant_to_the_next() {
    let fixture = Fixture::new(1).await;
    let (ada, eve) = (fixture.user("ada").await, fixture.user("eve").await);
    fixture.create(&ada, ServiceType::Database).await;
    for _ in 0..50 {
        assert_eq!(fixture.names(&ada).await.unwrap(), ["database"]);
        assert_eq!(fixture.names(&eve).await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_transaction_that_is_dropped_leaves_nothing_and_gives_its_connection_back() {
    let fixture = Fixture::new(1).await;
    let ada = fixture.user("ada").await;
    for _ in 0..20 {
        let mut transaction = fixture.database.tenant(scope(&ada)).await.unwrap();
        transaction.lock_admission().await.unwrap();
        drop(transaction);
        let mut interrupted = fixture.database.tenant(scope(&ada)).await.unwrap();
        let statement = interrupted.lock_admission();
        let _ = tokio::time::timeout(std::time::Duration::from_micros(50), statement).await;
        drop(interrupted);
    }
    assert_eq!(fixture.names(&ada).await.unwrap(), Vec::<String>::new());
    fixture.create(&ada, ServiceType::Database).await;
    assert_eq!(fixture.names(&ada).await.unwrap(), ["database"]);
}

#[tokio::test]
async fn a_broken_connection_is_replaced_without_an_error_reaching_a_read() {
    let fixture = Fixture::new(4).await;
    let ada = fixture.user("ada").await;
    for _ in 0..10 {
        fixture.proxy.cut();
        assert_eq!(fixture.names(&ada).await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_statement_that_a_migration_made_stale_is_prepared_again() {
    let fixture = Fixture::new(1).await;
    let ada = fixture.user("ada").await;
    fixture.create(&ada, ServiceType::Database).await;
    let id = fixture.only_service(&ada).await;
    let change = |name: &'static str| {
        let patch = domain::service::ServicePatch {
            name: Some(name.to_owned()),
            ..Default::default()
        };
        let fixture = &fixture;
        let scope = scope(&ada);
        async move {
            let mut transaction = fixture.database.tenant(scope).await.unwrap();
            let (_, _, current) = transaction.lock_admission_of(id).await.unwrap();
            transaction.update_service(&current, patch).await
        }
    };
    change("first").await.unwrap();
    let owner = crate::database::secrecy_text(&fixture.owned);
    let (owner, connection) = tokio_postgres::connect(&owner, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let widen = "ALTER TABLE services ALTER COLUMN name TYPE varchar(300); ALTER TABLE tenants ADD COLUMN later text";
    owner.batch_execute(widen).await.unwrap();
    assert_eq!(fixture.names(&ada).await.unwrap(), ["first"]);
    let mut transaction = fixture.database.tenant(scope(&ada)).await.unwrap();
    assert_eq!(
        transaction.lock_admission().await.unwrap().1.services.len(),
        1
    );
}

#[tokio::test]
async fn a_user_who_was_deactivated_is_refused_at_the_next_statement() {
    let fixture = Fixture::new(2).await;
    let ada = fixture.user("ada").await;
    fixture.names(&ada).await.unwrap();
    let system = fixture
        .database
        .system(
            domain::SystemPurpose::Administration,
            &domain::Acting::product(),
        )
        .await
        .unwrap();
    system
        .update_standing(ada.id, None, Some(false))
        .await
        .unwrap();
    assert_eq!(
        fixture.names(&ada).await.unwrap_err().code(),
        "unauthenticated"
    );
}

#[tokio::test]
async fn without_a_context_the_runtime_role_sees_nothing() {
    let fixture = Fixture::new(1).await;
    fixture.user("ada").await;
    let login = crate::database::secrecy_text(&fixture.owned);
    let (client, connection) = tokio_postgres::connect(&login, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    for role in ["nomad_services", "nomad_services_app"] {
        client
            .batch_execute(&format!("SET ROLE {role}"))
            .await
            .unwrap();
        for table in [
            "tenants",
            "users",
            "services",
            "subscriptions",
            "refresh_tokens",
        ] {
            let count = format!("SELECT count(*) FROM {table}");
            let count: i64 = client.query_one(&count, &[]).await.unwrap().get(0);
            assert_eq!(count, 0, "{role} sees {table}");
        }
    }
}
