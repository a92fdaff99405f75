//! What an operator can set. [`Settings`] is `config/default.toml` as a type: the same sections, the same keys. Layers
//! and origins are in `sources`, the forms of single values in `values`.

mod audit;
mod auth;
mod database;
mod development;
mod encryption;
mod error;
mod nomad;
mod observability;
mod server;
mod sources;
#[cfg(test)]
mod tests;
mod values;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use actix_web::http::Uri;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

pub use self::nomad::{DeploymentSettings, NomadSettings, TaskDriver};
pub use self::{
    audit::AuditSettings,
    auth::{
        ApiKeySettings, AuthSettings, InvitationSettings, MIN_JWT_SECRET, PasswordSettings,
        ThrottleSettings,
    },
    database::DatabaseSettings,
    development::kept_secret,
    encryption::EncryptionSettings,
    error::SettingsError,
    observability::{LogFormat, LogLevel, LogSettings, MetricsSettings},
    server::{CorsSettings, Network, Origin, ServerSettings},
    sources::Environment,
    values::NonZeroDuration,
};
use self::{error::SettingProblem, sources::Sources, values::bounded};

/// What a process wants to do: it decides what production must have been given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Serve the API.
    Serve,
    /// Work on the database alone.
    Database,
    /// Look at the settings themselves.
    Inspect,
}

/// Everything an operator can set.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Who the server is run for; from `ENVIRONMENT` alone, because it chooses a file.
    #[serde(skip)]
    pub environment: Environment,
    /// The listener, its shutdown, and the limits of a request.
    pub server: ServerSettings,
    /// Which web pages may call the API.
    pub cors: CorsSettings,
    /// Where development keeps what it makes.
    pub data: DataSettings,
    /// Which PostgreSQL is used, and how its connections are kept.
    pub database: DatabaseSettings,
    /// Tokens and password hashing.
    pub auth: AuthSettings,
    /// What secret values are encrypted with.
    pub encryption: EncryptionSettings,
    /// API keys.
    pub api_keys: ApiKeySettings,
    /// Invitations to a tenant.
    pub invitations: InvitationSettings,
    /// How the audit trail is sealed.
    pub audit: AuditSettings,
    /// How Nomad is reached, and what jobs may use.
    pub nomad: NomadSettings,
    /// The worker that makes Nomad match the database.
    pub deployments: DeploymentSettings,
    /// What holds for every tenant.
    pub saas: SaasSettings,
    /// Where Prometheus finds the metrics.
    pub metrics: MetricsSettings,
    /// What is logged, and in which form.
    pub log: LogSettings,
    #[serde(skip)]
    origins: BTreeMap<String, String>,
}

/// Where development keeps what it makes.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DataSettings {
    /// The folder; relative to the working folder.
    pub directory: PathBuf,
}

impl DataSettings {
    /// The private PostgreSQL's data.
    pub fn postgres(&self) -> PathBuf {
        self.directory.join("postgres")
    }

    /// What the Nomad agent that development starts prints.
    pub fn nomad_log(&self) -> PathBuf {
        self.directory.join("nomad.log")
    }

    /// The key-encryption key that development makes.
    pub fn encryption_key(&self) -> PathBuf {
        self.directory.join("encryption-key")
    }

    /// The key that signs the audit trail's heads, in development.
    pub fn audit_signing_key(&self) -> PathBuf {
        self.directory.join("audit-signing-key")
    }

    /// The first administrator's password, in development.
    pub fn admin_password(&self) -> PathBuf {
        self.directory.join("admin-password")
    }
}

/// What holds for every tenant.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SaasSettings {
    /// How many services a tenant may have; 0: what its plan says.
    #[serde(deserialize_with = "bounded::<0, 1_000_000, _, _>")]
    pub max_services_per_tenant: u32,
}

impl Settings {
    /// Reads the files in `directory`, where they exist, and the process's environment variables.
    ///
    /// # Errors
    /// Every setting that is wrong, with its key, origin, value and what is allowed.
    pub fn load(directory: &Path, purpose: Purpose) -> Result<Self, SettingsError> {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::read(directory, &variables, purpose)
    }

    /// Reads the files in `directory`, where they exist, and `variables`, to serve the API.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn from_sources(
        directory: &Path,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, SettingsError> {
        Self::read(directory, variables, Purpose::Serve)
    }

    fn read(
        directory: &Path,
        variables: &BTreeMap<String, String>,
        purpose: Purpose,
    ) -> Result<Self, SettingsError> {
        let sources = Sources::read(directory, variables)?;
        let mut settings: Self = sources.deserialize()?;
        settings.environment = sources.environment;
        let mut problems = settings.problems(&sources);
        if settings.environment == Environment::Production {
            problems.extend(settings.missing_in_production(purpose));
        }
        if !problems.is_empty() {
            return Err(SettingsError(problems));
        }
        settings.origins = sources.origins();
        Ok(settings)
    }

    /// Every key with its value, secrets masked, and where that comes from.
    pub fn entries(&self) -> impl Iterator<Item = (&str, serde_json::Value, &str)> {
        let shown = serde_json::to_value(self).unwrap_or_default();
        self.origins.iter().map(move |(key, origin)| {
            let pointer = format!("/{}", key.replace('.', "/"));
            let value = shown.pointer(&pointer).cloned().unwrap_or_default();
            (key.as_str(), value, origin.as_str())
        })
    }

    /// Where the value of a key such as `server.port` comes from: a file, a variable, or `built in`.
    pub fn origin(&self, key: &str) -> &str {
        self.origins.get(key).map_or("built in", String::as_str)
    }

    /// The secret that signs access tokens; development makes one once and keeps it.
    ///
    /// # Errors
    /// The kept one can't be read or written.
    pub fn jwt_secret(&self) -> std::io::Result<SecretString> {
        match &self.auth.jwt_secret {
            Some(secret) => Ok(secret.clone()),
            None => kept_secret(&self.data.directory.join("jwt-secret")),
        }
    }

    /// What no single value shows to be wrong.
    fn problems(&self, sources: &Sources) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        let mut refuse_where = |refused: bool, key: &str, allowed: &str| {
            if refused {
                problems.push(sources.refused(key, allowed));
            }
        };

        let (database, nomad) = (&self.database, &self.nomad);
        if let Err(allowed) = database.address() {
            let key = match database.url {
                Some(_) => "database.url",
                None => "database.host",
            };
            refuse_where(true, key, &allowed.to_string());
        }
        if let Err(allowed) = database.direct_address() {
            refuse_where(true, "database.direct_url", &allowed.to_string());
        }
        refuse_where(
            database.direct_url.is_some() && database.url.is_none() && database.host.is_none(),
            "database.direct_url",
            "nothing without database.url (DATABASE_URL): it names the same database past a pooler",
        );
        refuse_where(
            database.max_idle > database.max_open,
            "database.max_idle",
            "at most database.max_open",
        );
        refuse_where(
            database.password.is_some() && database.url.is_none() && database.host.is_none(),
            "database.password",
            "nothing without database.host (DB_HOST): no server is named",
        );
        for (key, secret) in [
            ("auth.jwt_secret", &self.auth.jwt_secret),
            ("auth.jwt_previous_secret", &self.auth.jwt_previous_secret),
        ] {
            let too_short = secret
                .as_ref()
                .is_some_and(|secret| secret.expose_secret().len() < MIN_JWT_SECRET);
            refuse_where(
                too_short,
                key,
                "at least 32 bytes, for example from: openssl rand -base64 48",
            );
        }
        refuse_where(
            self.audit.signing_key.is_some() && self.audit.signing_key_file.is_some(),
            "audit.signing_key",
            "nothing beside audit.signing_key_file (AUDIT_SIGNING_KEY_FILE): one place holds the keys",
        );
        refuse_where(
            self.encryption.key.is_some() && self.encryption.key_file.is_some(),
            "encryption.key",
            "nothing beside encryption.key_file (ENCRYPTION_KEY_FILE): one place holds the keys",
        );
        refuse_where(
            self.auth.refresh_token_duration <= self.auth.access_token_duration,
            "auth.refresh_token_duration",
            "longer than auth.access_token_duration",
        );
        let throttle = &self.auth.throttle;
        refuse_where(
            throttle.first_delay > throttle.max_delay,
            "auth.throttle.first_delay",
            "at most auth.throttle.max_delay",
        );
        refuse_where(
            throttle.forget_after <= throttle.max_delay,
            "auth.throttle.forget_after",
            "longer than auth.throttle.max_delay, or waiting would be as good as starting anew",
        );
        refuse_where(
            self.auth.refusal_time >= self.server.shutdown_timeout,
            "auth.refusal_time",
            "shorter than server.shutdown_timeout, so that a stop cuts no answer",
        );
        refuse_where(
            nomad
                .addr
                .as_deref()
                .is_some_and(|addr| !is_http_address(addr)),
            "nomad.addr",
            "http://host:port or https://host:port",
        );
        refuse_where(
            nomad.client_cert.is_some() != nomad.client_key.is_some(),
            "nomad.client_cert",
            "set together with nomad.client_key (NOMAD_CLIENT_KEY), or neither",
        );
        refuse_where(
            nomad.allowed_drivers.is_empty(),
            "nomad.allowed_drivers",
            "at least one of docker, raw_exec",
        );
        refuse_where(
            self.deployments.poll_interval >= self.deployments.lease,
            "deployments.poll_interval",
            "shorter than deployments.lease",
        );
        refuse_where(
            self.metrics.port != 0 && self.metrics.port == self.server.port,
            "metrics.port",
            "another port than server.port (SERVER_PORT), or 0 for none",
        );
        problems
    }

    fn missing_in_production(&self, purpose: Purpose) -> impl Iterator<Item = SettingProblem> {
        let serves = purpose == Purpose::Serve;
        [
            (
                purpose != Purpose::Inspect && self.database.url.is_none() && self.database.host.is_none(),
                "database.url",
                "DATABASE_URL, or DB_HOST with DB_USER, DB_PASSWORD and DB_NAME",
                "production starts no database of its own",
            ),
            (
                serves && self.auth.jwt_secret.is_none(),
                "auth.jwt_secret",
                "JWT_SECRET",
                "at least 32 bytes, for example from: openssl rand -base64 48",
            ),
            (
                serves && self.nomad.addr.is_none(),
                "nomad.addr",
                "NOMAD_ADDR",
                "http://host:port or https://host:port; production starts no orchestrator of its own",
            ),
        ]
        .into_iter()
        .filter(|(missing, ..)| *missing)
        .map(|(_, key, variable, allowed)| SettingProblem::Missing { key, variable, allowed })
    }
}

fn is_http_address(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && matches!(uri.path(), "" | "/")
            && uri.query().is_none()
            && !uri
                .authority()
                .is_some_and(|authority| authority.as_str().contains('@'))
    })
}
