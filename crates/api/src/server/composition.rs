//! The parts of a server, put together from its settings.

use std::sync::Arc;

use application::{
    Accounts, Administration, ApiKeys, Application, AuditLogs, Authentication, DeploymentSettings,
    Deployments, Fingerprints, Invitations, Members, Profiles, RefusedAccess, Registrations,
    RepeatedRequests, RunningServices, Services, SessionSettings, Sessions, Templates, Tenants,
    create_administrator, retention, sealing,
};
use credentials::{PasswordParameters, Passwords, SignedTokens};
use deployer::{Worker, WorkerSettings};
use domain::{Error, ErrorKind, password::Password};
use nomad::Nomad;
use persistence::{Database, audit_seal::Seal};
use secrecy::ExposeSecret;
use tokio::sync::{Notify, watch};

use super::{
    StartError,
    bounded_read::bounded_read,
    database::{ChosenDatabase, check_isolation},
    encryption,
    orchestrator::Orchestrator,
};
use crate::{
    lifecycle::Lifecycle,
    observability::metrics::Gauges,
    readiness::Readiness,
    settings::{Environment, PasswordSettings, Settings, kept_secret},
};

/// The administrator that development begins with.
const FIRST_ADMINISTRATOR: (&str, &str) = ("admin", "admin@localhost.localdomain");

/// The use cases, over what this program works with.
pub type App = Application<Database, Nomad, Passwords, SignedTokens>;

/// The parts of a server.
#[derive(Debug)]
pub struct Parts {
    /// What requests ask for.
    pub app: Arc<App>,
    /// Tells apart the requests that carry an idempotency key.
    pub fingerprints: Fingerprints,
    /// What was seen last of what serving depends on.
    pub readiness: Arc<Readiness>,
    database: Database,
    nomad: Nomad,
    passwords: Passwords,
    seal: watch::Sender<Option<Arc<Seal>>>,
    wake_worker: Arc<Notify>,
}

/// A hasher as `settings` want it.
pub(crate) fn passwords(settings: &PasswordSettings) -> Result<Passwords, Error> {
    Passwords::new(PasswordParameters {
        memory_kib: settings.memory_kib,
        iterations: settings.iterations,
        lanes: settings.lanes,
        concurrency: settings.concurrency(),
        queue: settings.queue,
    })
}

impl Parts {
    /// The parts that `settings` describe, over this database and orchestrator.
    ///
    /// # Errors
    /// Names the setting that can't be used.
    pub fn new(
        settings: &Settings,
        database: &ChosenDatabase,
        orchestrator: &Orchestrator,
    ) -> Result<Self, StartError> {
        let auth = &settings.auth;
        let secret = settings.jwt_secret().map_err(|error| {
            StartError::Setting(format!(
                "the secret for access tokens can't be kept: {error}"
            ))
        })?;
        let passwords = passwords(&auth.password)
            .map_err(|error| StartError::Setting(format!("auth.password: {error:?}")))?;
        let tokens = SignedTokens::new(
            &secret,
            auth.jwt_previous_secret.as_ref(),
            auth.issuer.clone(),
            auth.audience.clone(),
            auth.access_token_duration.get(),
        );
        let pool = database.pool(settings)?;
        let store = pool.with_keyring(encryption::keyring_of_server(settings));
        let composition = Composition {
            settings,
            nomad: orchestrator.client(settings)?,
            readiness: Arc::default(),
            fingerprints: Fingerprints::new(secret),
            seal: watch::Sender::new(None),
            wake_worker: Arc::default(),
            store,
            passwords,
            tokens,
        };
        let app = Arc::new(composition.app());
        let Composition {
            store: database,
            nomad,
            readiness,
            passwords,
            fingerprints,
            seal,
            wake_worker,
            ..
        } = composition;
        Ok(Self {
            app,
            fingerprints,
            readiness,
            database,
            nomad,
            passwords,
            seal,
            wake_worker,
        })
    }

    /// Brings the database to where requests can be served.
    ///
    /// # Errors
    /// The database can't be used.
    pub async fn prepare(
        &self,
        settings: &Settings,
        chosen: &ChosenDatabase,
        orchestrator: &Orchestrator,
    ) -> Result<(), StartError> {
        let (database, encryption) = (&self.database, &self.readiness.encryption);
        chosen.answers(settings).await?;
        let is_migrated = chosen.has_data_keys_table().await?;
        encryption::wait(settings, database, encryption, is_migrated).await;
        chosen.prepare(settings).await?;
        check_isolation(database).await?;
        // A key that is derived from those that encrypt is there once they are.
        let seal = settings.seal().map_err(|reason| {
            StartError::Setting(format!("the audit trail can't be sealed: {reason}"))
        })?;
        self.seal.send_replace(Some(Arc::new(seal)));
        let keys = database.make_missing_data_keys().await;
        keys.map_err(|error| StartError::Database(format!("can't be given data keys: {error}")))?;
        if orchestrator.is_empty() {
            let recorded = database.record_that_nothing_runs().await;
            recorded.map_err(|error| StartError::Database(format!("can't be written: {error}")))?;
        }
        if settings.environment == Environment::Development {
            self.first_administrator(settings).await?;
        }
        // What was seen before the database was prepared says nothing any more.
        tokio::join!(
            self.readiness.database.look(database),
            self.readiness.nomad.look(&self.nomad)
        );
        Ok(())
    }

    /// Development begins with an administrator whose password is in a file; production asks for `admin create`.
    async fn first_administrator(&self, settings: &Settings) -> Result<(), StartError> {
        let file = settings.data.admin_password();
        let unusable = |reason: String| StartError::Setting(reason);
        let kept = kept_secret(&file).map_err(|error| unusable(error.to_string()))?;
        let password = Password::parse(&kept.expose_secret().into())
            .map_err(|refused| unusable(refused.to_string()))?;
        let (username, email) = FIRST_ADMINISTRATOR;
        let made = create_administrator(
            &self.database,
            &self.passwords,
            username.to_owned(),
            email.to_owned(),
            &password,
        );
        match made.await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            Err(error) => Err(StartError::Database(format!(
                "refuses the first administrator: {error}"
            ))),
        }
    }

    /// Looks from now on at what serving depends on.
    pub fn begin_to_look(&self, lifecycle: &Lifecycle) {
        let database = self.readiness.database.clone();
        let store = self.database.clone();
        lifecycle.spawn(|stop| database.watch(store, stop));
        let nomad = self.readiness.nomad.clone();
        let orchestrator = self.nomad.clone();
        lifecycle.spawn(|stop| nomad.watch(orchestrator, stop));
    }

    /// What goes on beside the requests once the database is ready.
    pub fn begin_background_work(&self, settings: &Settings, lifecycle: &Lifecycle) {
        let (database, nomad) = (&self.database, &self.nomad);
        let deployments = &settings.deployments;
        let worker = Worker::new(
            Arc::new(database.clone()),
            Arc::new(nomad.clone()),
            WorkerSettings {
                lease: deployments.lease.get(),
                poll_interval: deployments.poll_interval.get(),
                concurrency: deployments.concurrency,
            },
            self.wake_worker.clone(),
        );
        lifecycle.spawn(|stop| worker.run(stop));
        let store = database.clone();
        lifecycle.spawn(|stop| retention::run(store, stop));
        let (store, current) = (database.clone(), self.seal.clone());
        let (settings, pause) = (settings.clone(), settings.audit.seal_interval.get());
        let read = bounded_read(move || settings.seal());
        lifecycle.spawn(move |stop| sealing::run(store, current, read, pause, stop));
    }

    /// What the process does at one moment.
    pub(crate) fn gauges(&self) -> impl Fn() -> Gauges + Clone + Send + use<> {
        let (database, passwords) = (self.database.clone(), self.passwords.clone());
        move || {
            let connections = database.connections();
            let hashes = passwords.load();
            Gauges {
                connections_in_use: connections.in_use,
                connections_idle: connections.idle,
                waiting_requests: connections.waiting,
                hashes_running: hashes.running,
                hashes_waiting: hashes.waiting,
            }
        }
    }
}

/// What the use cases are made from.
struct Composition<'settings> {
    settings: &'settings Settings,
    store: Database,
    nomad: Nomad,
    readiness: Arc<Readiness>,
    passwords: Passwords,
    tokens: SignedTokens,
    fingerprints: Fingerprints,
    seal: watch::Sender<Option<Arc<Seal>>>,
    wake_worker: Arc<Notify>,
}

impl Composition<'_> {
    fn app(&self) -> App {
        let settings = self.settings;
        let (auth, nomad) = (&settings.auth, &settings.nomad);
        let store = || self.store.clone();
        let orchestrator = || self.nomad.clone();
        let hasher = || self.passwords.clone();
        let throttle = auth.throttle.policy();
        let namespace = nomad.namespace.clone().unwrap_or("default".to_owned());
        let deadline = settings.deployments.deadline.get();
        let max_services = settings.saas.max_services_per_tenant;
        Application {
            accounts: Accounts::new(store(), hasher(), throttle),
            administration: Administration::new(store()),
            api_keys: ApiKeys::new(store(), settings.api_keys.rotation_overlap.get()),
            audit_logs: AuditLogs::new(
                store(),
                self.seal.clone(),
                settings.audit.seal_interval.get(),
            ),
            authentication: Authentication::new(store(), self.tokens.clone()),
            deployments: Deployments::new(
                store(),
                orchestrator(),
                self.fingerprints.clone(),
                DeploymentSettings {
                    namespace: namespace.clone(),
                    deadline,
                },
                self.wake_worker.clone(),
            ),
            invitations: Invitations::new(store(), hasher(), settings.invitations.duration.get()),
            members: Members::new(store()),
            profiles: Profiles::new(store()),
            refused_access: RefusedAccess::new(store()),
            registrations: Registrations::new(
                store(),
                hasher(),
                Some(max_services).filter(|count| *count > 0),
            ),
            repeated_requests: RepeatedRequests::new(store()),
            running_services: RunningServices::new(
                store(),
                (orchestrator(), self.readiness.nomad.clone()),
                namespace,
                nomad.max_log_followers,
            ),
            services: Services::new(store(), orchestrator(), deadline),
            sessions: Sessions::new(
                store(),
                hasher(),
                self.tokens.clone(),
                SessionSettings {
                    refresh_duration: auth.refresh_token_duration.get(),
                    refusal_time: auth.refusal_time.get(),
                    throttle,
                },
            ),
            templates: Templates::new(store()),
            tenants: Tenants::new(store()),
        }
    }
}
