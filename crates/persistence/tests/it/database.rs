//! A database with a tenant in it, reached through a proxy.

use std::time::Duration;

use domain::{
    Acting, Credential, Origin, Plan, Role, ServiceType, SystemPurpose, TenantScope,
    service::NewService,
    session::{NewRefreshToken, Session},
    user::{NewUser, User},
};
use embedded_postgres::test_database::TestDatabase;
use persistence::{
    Database, PoolSettings,
    encryption::{KeyEncryptionKey, Keyring},
};

use postgres_connection::{Address, SslMode};
use secrecy::SecretString;

use crate::ports::*;
use crate::proxy::Proxy;

pub struct Fixture {
    pub database: Database,
    pub proxy: Proxy,
    pub owned: TestDatabase,
}

/// The usual bounds, with time enough to open connections on a busy machine.
pub fn bounds() -> PoolSettings {
    PoolSettings {
        acquire_timeout: Duration::from_secs(60),
        ..PoolSettings::default()
    }
}

/// Never encrypted, so that tests can look at it on its way.
pub fn address(url: &SecretString) -> Address {
    let address = Address::parse(url).unwrap();
    address.or_protected(SslMode::Disable, None)
}

impl Fixture {
    /// With at most `connections`.
    pub async fn new(connections: usize) -> Self {
        Self::with(PoolSettings {
            max_open: connections,
            ..bounds()
        })
        .await
    }

    pub async fn with(bounds: PoolSettings) -> Self {
        let owned =
            TestDatabase::new(
                |url| async move { migration::up(&address(&url), None).await.unwrap() },
            )
            .await;
        let url = secrecy_text(&owned);
        let (server, _) = url.split_once('@').unwrap().1.split_once('/').unwrap();
        let proxy = Proxy::before(server.to_owned()).await;
        let through = url.replace(server, &format!("127.0.0.1:{}", proxy.port));
        Self {
            database: Database::new(&address(&through.into()), bounds)
                .unwrap()
                .with_keyring(keyring(&[KEY])),
            proxy,
            owned,
        }
    }

    /// A session of the role that works across tenants, past the product's pool.
    pub async fn across_tenants(&self) -> tokio_postgres::Client {
        let url = secrecy_text(&self.owned);
        let connected = tokio_postgres::connect(&url, tokio_postgres::NoTls).await;
        let (client, connection) = connected.unwrap();
        tokio::spawn(connection);
        let role = client.batch_execute("SET ROLE nomad_services_system").await;
        role.unwrap();
        client
    }

    pub async fn user(&self, name: &str) -> User {
        let user = NewUser {
            id: domain::UserId(sea_orm::prelude::Uuid::new_v4()),
            email: format!("{name}@example.com"),
            username: name.to_owned(),
            password_hash: "none".to_owned(),
            first_name: None,
            last_name: None,
            role: Role::TenantAdmin,
        };
        let transaction = self
            .database
            .system(SystemPurpose::Registration, &Acting::product())
            .await
            .unwrap();
        let limits = (Plan::Free, Plan::Free.limits());
        let user = transaction
            .register(name, name, limits, user, |_| unanswered())
            .await
            .unwrap();
        let session = Session {
            family_id: user.id.0,
            user: user.id,
            signed_in_at: chrono::Utc::now(),
        };
        let token = NewRefreshToken {
            session,
            hash: name.into(),
            expires_at: session.signed_in_at + chrono::Duration::days(1),
            origin: Origin::default(),
        };
        let transaction = self
            .database
            .system(SystemPurpose::SignIn, &Acting::product())
            .await
            .unwrap();
        transaction.continue_session(token).await.unwrap();
        user
    }
}

/// A key-encryption key: 32 bytes in base64.
pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// With these key-encryption keys, the newest first.
pub fn keyring(keys: &[&str]) -> Keyring {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| KeyEncryptionKey::parse(&(*key).into()).unwrap())
        .collect();
    Keyring::new(move || Ok(keys.clone()))
}

pub fn secrecy_text(database: &TestDatabase) -> String {
    use secrecy::ExposeSecret;
    database.url().expose_secret().to_owned()
}

pub fn scope(user: &User) -> TenantScope {
    TenantScope {
        tenant: user.tenant.unwrap(),
        user: user.id,
        valid_until: None,
        credential: Credential::Session(user.id.0),
        origin: Origin::default(),
        inspection: None,
    }
}

pub fn service(service_type: ServiceType) -> NewService {
    let config = serde_json::from_value(serde_json::json!({"image": "nginx:1"})).unwrap();
    NewService {
        name: service_type.to_string(),
        service_type,
        description: None,
        config,
    }
}

/// Nobody asks for the answer of a request without an idempotency key.
pub fn unanswered() -> domain::idempotency::Answer {
    panic!("the request has no key")
}
