//! The relationships, walked on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use domain::{Plan, ServiceType};
use embedded_postgres::test_database::TestDatabase;
use nomad_services_entity::{
    Stored, api_key, audit_log, service, service_deployment, service_template, subscription,
    tenant, user,
};
use postgres_connection::{Address, Connector, Proxy};
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, EntityTrait,
    ProxyDatabaseTrait, ProxyExecResult, ProxyRow, QueryFilter, Related, RelationDef, Statement,
    prelude::Uuid,
};
use secrecy::SecretString;

#[tokio::test]
async fn a_tenant_with_all_it_has_takes_the_same_number_of_queries_however_much_it_has() {
    let database =
        TestDatabase::new(async |url| migration::up(&address(&url), None).await.unwrap()).await;
    let (connection, queries) = connect(&database).await;
    let little = tenant_with(&connection, 1).await;
    let much = tenant_with(&connection, 3).await;
    connection.execute_unprepared(REMAINING_ROWS).await.unwrap();

    queries.store(0, Ordering::Relaxed);
    let loaded = load(&connection, little).await;
    // One joins the subscription, and one each loads users, templates, services, deployments, keys and audit logs.
    assert_eq!(queries.swap(0, Ordering::Relaxed), 7);
    let expected = Loaded {
        users: 1,
        templates: 1,
        services: 1,
        deployments: 1,
        api_keys: 1,
        ..loaded
    };
    assert_eq!(loaded, expected);
    assert!(loaded.audit_logs >= 5, "{loaded:?}");

    let loaded_much = load(&connection, much).await;
    assert_eq!(queries.swap(0, Ordering::Relaxed), 7);
    let expected = Loaded {
        users: 3,
        templates: 3,
        services: 3,
        deployments: 9,
        api_keys: 3,
        ..loaded_much
    };
    assert_eq!(loaded_much, expected);
    assert!(
        loaded_much.audit_logs > loaded.audit_logs,
        "{loaded_much:?}"
    );
}

#[tokio::test]
async fn each_relationship_of_the_document_is_loaded_in_both_directions() {
    let database =
        TestDatabase::new(async |url| migration::up(&address(&url), None).await.unwrap()).await;
    let (connection, _) = connect(&database).await;
    tenant_with(&connection, 1).await;
    tenant_with(&connection, 3).await;
    connection.execute_unprepared(REMAINING_ROWS).await.unwrap();
    macro_rules! ids {
        ($rows:expr) => {
            $rows.into_iter().map(|row| row.id).collect::<BTreeSet<_>>()
        };
    }
    // `$parent` has the rows of `$child` whose `$key` is its id, which it loads in `$children`, one or `many`, and they it.
    macro_rules! loads {
        ($($parent:ident.$children:ident $how:ident, $child:ident.$back:ident by $key:ident;)+) => {$(
            let relationship = stringify!($parent.$children, $child.$back);
            let parents = $parent::Entity::load().with($child::Entity).all(&connection).await.unwrap();
            let rows = $child::Entity::find().all(&connection).await.unwrap();
            let mut referring = 0;
            for parent in parents {
                let expected = ids!(rows.iter().filter(|row| Some(parent.id) == Option::from(row.$key)));
                referring += expected.len();
                assert_eq!(ids!(loads!(@ $how parent.$children)), expected, "{relationship}");
            }
            assert!(referring >= 2, "{relationship}");
            for child in $child::Entity::load().with($parent::Entity).all(&connection).await.unwrap() {
                let parent = child.$back.as_ref().map(|parent| parent.id);
                assert_eq!(parent, Option::from(child.$key), "{relationship}");
            }
        )+};
        (@ many $children:expr) => { $children };
        (@ one $child:expr) => { $child.into_option() };
    }
    loads! {
        tenant.users many, user.tenant by tenant_id;
        tenant.services many, service.tenant by tenant_id;
        tenant.subscription one, subscription.tenant by tenant_id;
        tenant.audit_logs many, audit_log.tenant by tenant_id;
        tenant.api_keys many, api_key.tenant by tenant_id;
        user.services many, service.creator by created_by;
        user.service_deployments many, service_deployment.deployer by deployed_by;
        user.service_templates many, service_template.creator by created_by;
        user.audit_logs many, audit_log.user by user_id;
        user.api_keys many, api_key.user by user_id;
        service.service_deployments many, service_deployment.service by service_id;
    }
}

#[test]
fn each_relationship_of_the_document_goes_both_ways() {
    fn there_and_back<A, B>()
    where
        A: EntityTrait + Related<B>,
        B: EntityTrait + Related<A>,
    {
        let ends = |relation: RelationDef| {
            (
                relation.from_tbl,
                relation.from_col,
                relation.to_tbl,
                relation.to_col,
            )
        };
        let (there, back) = (ends(A::to()), ends(B::to()));
        assert_eq!((there.0, there.1), (back.2, back.3));
        assert_eq!((there.2, there.3), (back.0, back.1));
    }
    there_and_back::<tenant::Entity, user::Entity>();
    there_and_back::<tenant::Entity, service::Entity>();
    there_and_back::<tenant::Entity, subscription::Entity>();
    there_and_back::<tenant::Entity, audit_log::Entity>();
    there_and_back::<tenant::Entity, api_key::Entity>();
    there_and_back::<user::Entity, service::Entity>();
    there_and_back::<user::Entity, service_deployment::Entity>();
    there_and_back::<user::Entity, service_template::Entity>();
    there_and_back::<user::Entity, audit_log::Entity>();
    there_and_back::<user::Entity, api_key::Entity>();
    there_and_back::<service::Entity, service_deployment::Entity>();
}

#[tokio::test]
async fn a_text_that_no_value_of_an_enumeration_has_is_an_error_and_not_another_value() {
    let database =
        TestDatabase::new(async |url| migration::up(&address(&url), None).await.unwrap()).await;
    let (connection, _) = connect(&database).await;
    let id = tenant_with(&connection, 1).await;
    let stored = async || {
        let find = tenant::Entity::find_by_id(id).one(&connection).await;
        find.map(|row| row.unwrap().plan)
    };
    assert_eq!(stored().await.unwrap(), Some(Stored(Plan::Free)));
    let unknown = "ALTER TABLE tenants DROP CONSTRAINT tenants_plan_check; UPDATE tenants SET plan = 'platinum'";
    connection.execute_unprepared(unknown).await.unwrap();
    let error = stored().await.unwrap_err().to_string();
    assert!(error.contains("\"platinum\" is no "), "{error}");
    let none = "UPDATE tenants SET plan = NULL";
    connection.execute_unprepared(none).await.unwrap();
    assert_eq!(stored().await.unwrap(), None);
}

#[tokio::test]
async fn every_column_of_every_table_is_read_in_its_own_type() {
    let database =
        TestDatabase::new(async |url| migration::up(&address(&url), None).await.unwrap()).await;
    let (connection, _) = connect(&database).await;
    tenant_with(&connection, 1).await;
    connection.execute_unprepared(REMAINING_ROWS).await.unwrap();
    macro_rules! reads {
        ($($table:ident),+) => {$(
            let rows = nomad_services_entity::$table::Entity::find().all(&connection).await.unwrap();
            assert!(!rows.is_empty(), stringify!($table));
        )+};
    }
    reads!(
        tenant,
        user,
        service,
        service_deployment,
        service_template,
        audit_log,
        api_key,
        subscription,
        deployment_task,
        refresh_token,
        idempotency_key
    );
}

/// A row for each table that [`tenant_with`] leaves empty, with a value in every column.
const REMAINING_ROWS: &str = "
    INSERT INTO service_templates (name, type, description, icon, category, tags, config, created_by)
        SELECT '', 'custom', '', '', '', ARRAY['one', 'two'], '{}', id FROM users WHERE tenant_id IS NOT NULL;
    INSERT INTO audit_logs (user_id, tenant_id, action, resource, details, ip_address, user_agent)
        SELECT id, tenant_id, '', '', '', '', '' FROM users WHERE tenant_id IS NOT NULL;
    INSERT INTO api_keys (name, key, user_id, tenant_id, expires_at, last_used)
        SELECT '', id, id, tenant_id, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP FROM users WHERE tenant_id IS NOT NULL;
    INSERT INTO deployment_tasks (tenant_id, service_id, deployment_id, action, nomad_namespace, nomad_job_id,
            request, job, spec_hash, phase, reason, lease_owner, lease_until, deadline_at, finished_at)
        SELECT tenant_id, services.id, service_deployments.id, 'start', '', '', '{}', '{}', '', '{}', '', services.id,
            CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP
        FROM services JOIN service_deployments ON service_id = services.id;
    INSERT INTO refresh_tokens (family_id, user_id, token_hash, expires_at, used_at, revoked_at)
        SELECT id, id, id::text::bytea, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP FROM users WHERE tenant_id IS NOT NULL;
    INSERT INTO idempotency_keys (user_id, key, fingerprint, status, response, location, etag)
        SELECT id, '', '', 201, '{}', '', '' FROM users WHERE tenant_id IS NOT NULL;
    UPDATE subscriptions SET price_per_month = 12.34, max_services = 5,
        current_period_start = CURRENT_TIMESTAMP, current_period_end = CURRENT_TIMESTAMP";

#[derive(Debug, PartialEq)]
struct Loaded {
    users: usize,
    templates: usize,
    services: usize,
    deployments: usize,
    api_keys: usize,
    audit_logs: usize,
}

async fn load(connection: &DatabaseConnection, id: Uuid) -> Loaded {
    let tenant = tenant::Entity::load()
        .filter(tenant::COLUMN.id.eq(id))
        .with(subscription::Entity)
        .with((user::Entity, service_template::Entity))
        .with((service::Entity, service_deployment::Entity))
        .with(api_key::Entity)
        .with(audit_log::Entity)
        .one(connection)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(tenant.subscription.unwrap().tenant_id, id);
    Loaded {
        users: tenant.users.len(),
        templates: tenant
            .users
            .iter()
            .map(|user| user.service_templates.len())
            .sum(),
        services: tenant.services.len(),
        deployments: tenant
            .services
            .iter()
            .map(|service| service.service_deployments.len())
            .sum(),
        api_keys: tenant.api_keys.len(),
        audit_logs: tenant.audit_logs.len(),
    }
}

/// A tenant with a subscription, `count` users, as many services, and as many deployments of each.
async fn tenant_with(connection: &DatabaseConnection, count: usize) -> Uuid {
    const TYPES: [ServiceType; 3] = [
        ServiceType::Database,
        ServiceType::WebServer,
        ServiceType::Custom,
    ];
    let tenant = tenant::ActiveModel {
        name: Set("tenant".to_owned()),
        slug: Set(format!("tenant-of-{count}")),
        ..Default::default()
    };
    let tenant = tenant::Entity::insert(tenant)
        .exec_with_returning(connection)
        .await
        .unwrap()
        .id;
    let subscription = subscription::ActiveModel {
        tenant_id: Set(tenant),
        plan: Set(Stored(Plan::Free)),
        ..Default::default()
    };
    subscription::Entity::insert(subscription)
        .exec_without_returning(connection)
        .await
        .unwrap();
    for (number, r#type) in TYPES.into_iter().take(count).enumerate() {
        let user = user::ActiveModel {
            email: Set(format!("{number}@{count}")),
            username: Set(format!("{number}-{count}")),
            password: Set(String::new()),
            tenant_id: Set(Some(tenant)),
            ..Default::default()
        };
        let user = user::Entity::insert(user)
            .exec_with_returning(connection)
            .await
            .unwrap()
            .id;
        let service = service::ActiveModel {
            name: Set(format!("service {number}")),
            r#type: Set(Stored(r#type)),
            tenant_id: Set(Some(tenant)),
            created_by: Set(user),
            ..Default::default()
        };
        let service = service::Entity::insert(service)
            .exec_with_returning(connection)
            .await
            .unwrap()
            .id;
        let deployments = (0..count).map(|_| service_deployment::ActiveModel {
            service_id: Set(service),
            deployed_by: Set(user),
            ..Default::default()
        });
        service_deployment::Entity::insert_many(deployments)
            .exec_without_returning(connection)
            .await
            .unwrap();
    }
    tenant
}

/// A connection that row-level security does not narrow, and how many statements went over it.
async fn connect(database: &TestDatabase) -> (DatabaseConnection, Arc<AtomicUsize>) {
    let connector = Connector::new(&address(&database.url())).unwrap();
    let queries = Arc::new(AtomicUsize::new(0));
    let counted: Box<dyn ProxyDatabaseTrait> = Box::new(Counted {
        proxy: Proxy::new(connector.connect().await.unwrap()),
        queries: Arc::clone(&queries),
    });
    let connection = Database::connect_proxy(DbBackend::Postgres, Arc::new(counted));
    let connection = connection.await.unwrap();
    // The system role is the runtime's and adds no services; the owner of the tables may lift the force for a test.
    connection
        .execute_unprepared(
            "DO $$ DECLARE name TEXT; BEGIN
                 FOR name IN SELECT relname FROM pg_class WHERE relforcerowsecurity LOOP
                     EXECUTE format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', name);
                 END LOOP;
             END $$",
        )
        .await
        .unwrap();
    (connection, queries)
}

fn address(url: &SecretString) -> Address {
    Address::parse(url).unwrap()
}

/// Counts what it passes on.
#[derive(Debug)]
struct Counted {
    proxy: Proxy,
    queries: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl ProxyDatabaseTrait for Counted {
    async fn query(&self, statement: Statement) -> Result<Vec<ProxyRow>, DbErr> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        self.proxy.query(statement).await
    }

    async fn execute(&self, statement: Statement) -> Result<ProxyExecResult, DbErr> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        self.proxy.execute(statement).await
    }
}
