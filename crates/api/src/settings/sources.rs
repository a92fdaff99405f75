//! Where settings come from: the compiled-in files, the same files in the configuration directory, and environment
//! variables, each over the one before. Every value keeps its origin, so that a message can name it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use config::{Config, ConfigError, File, FileFormat, Value, ValueKind};
use serde::{Deserialize, Serialize};

use super::{
    error::{SettingProblem, SettingsError},
    values::MASK,
};

const DEFAULT_FILE: &str = include_str!("../../../../config/default.toml");
const DEVELOPMENT_FILE: &str = include_str!("../../../../config/development.toml");
const PRODUCTION_FILE: &str = include_str!("../../../../config/production.toml");

const PREFIX: &str = "NOMAD_SERVICES__";
const SECRETS: [&str; 9] = [
    "audit.signing_key",
    "auth.jwt_previous_secret",
    "auth.jwt_secret",
    "database.direct_url",
    // What is refused as a host may be a whole address.
    "database.host",
    "database.password",
    "database.url",
    "encryption.key",
    "nomad.token",
];

/// The variables with a name of their own, and the key that each sets.
pub(super) const VARIABLES: [(&str, &str); 33] = [
    ("AUDIT_SIGNING_KEY", "audit.signing_key"),
    ("AUDIT_SIGNING_KEY_FILE", "audit.signing_key_file"),
    ("CORS_ORIGINS", "cors.origins"),
    ("DATABASE_DIRECT_URL", "database.direct_url"),
    (
        "DATABASE_PREPARED_STATEMENTS",
        "database.prepared_statements",
    ),
    ("DATABASE_URL", "database.url"),
    ("DB_HOST", "database.host"),
    ("DB_NAME", "database.name"),
    ("DB_PASSWORD", "database.password"),
    ("DB_PORT", "database.port"),
    ("DB_SSL_MODE", "database.ssl_mode"),
    ("DB_USER", "database.user"),
    ("ENCRYPTION_KEY", "encryption.key"),
    ("ENCRYPTION_KEY_FILE", "encryption.key_file"),
    ("JWT_PREVIOUS_SECRET", "auth.jwt_previous_secret"),
    ("JWT_REFRESH_DURATION", "auth.refresh_token_duration"),
    ("JWT_SECRET", "auth.jwt_secret"),
    ("JWT_TOKEN_DURATION", "auth.access_token_duration"),
    ("LOG_LEVEL", "log.level"),
    ("METRICS_PORT", "metrics.port"),
    ("MIGRATE_ON_START", "database.migrate_on_start"),
    ("NOMAD_ADDR", "nomad.addr"),
    ("NOMAD_CACERT", "nomad.ca_cert"),
    ("NOMAD_CLIENT_CERT", "nomad.client_cert"),
    ("NOMAD_CLIENT_KEY", "nomad.client_key"),
    ("NOMAD_JOBS_PATH", "nomad.jobs_path"),
    ("NOMAD_NAMESPACE", "nomad.namespace"),
    ("NOMAD_REGION", "nomad.region"),
    ("NOMAD_TLS_SERVER_NAME", "nomad.tls_server_name"),
    ("NOMAD_TOKEN", "nomad.token"),
    ("POSTGRES_BIN_DIR", "database.bin_directory"),
    (
        "SAAS_MAX_SERVICES_PER_TENANT",
        "saas.max_services_per_tenant",
    ),
    ("SERVER_PORT", "server.port"),
];

/// Who the server is run for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Whoever tries it out on their own machine: what is missing is made or started.
    #[default]
    Development,
    /// Others: nothing is made up.
    Production,
}

impl Environment {
    /// As `ENVIRONMENT` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }

    fn compiled_in(self) -> &'static str {
        match self {
            Self::Development => DEVELOPMENT_FILE,
            Self::Production => PRODUCTION_FILE,
        }
    }
}

/// All layers merged, before they are read as [`super::Settings`].
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) environment: Environment,
    merged: Config,
    leaves: BTreeMap<String, Value>,
}

impl Sources {
    /// Merges the layers.
    ///
    /// # Errors
    /// A file that can't be read, and every unknown key.
    pub(super) fn read(
        directory: &Path,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, SettingsError> {
        let variables: BTreeMap<&str, &str> = variables
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let environment = environment(variables.get("ENVIRONMENT").copied())?;

        let known = Config::builder()
            .add_source(File::from_str(DEFAULT_FILE, FileFormat::Toml))
            .build()
            .map_err(unreadable)?;
        let known = leaves(known.cache);

        let mut builder = Config::builder();
        for (name, compiled_in) in [
            ("default", DEFAULT_FILE),
            (environment.name(), environment.compiled_in()),
        ] {
            let file = directory.join(name).with_extension("toml");
            let file = File::from(file).format(FileFormat::Toml).required(false);
            builder = builder
                .add_source(File::from_str(compiled_in, FileFormat::Toml))
                .add_source(file);
        }
        for (name, key, value) in settings_among(&variables) {
            let kind = match known.get(&key).map(|value| &value.kind) {
                Some(ValueKind::Array(_)) => value
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
                    .into(),
                _ => ValueKind::from(value),
            };
            let origin = format!("environment variable {name}");
            builder = builder
                .set_override(&key, Value::new(Some(&origin), kind))
                .map_err(|_| unknown_key(&known, key, origin))?;
        }
        let merged = builder.build().map_err(unreadable)?;
        let leaves = leaves(merged.cache.clone());

        let unknown: Vec<_> = leaves
            .iter()
            .filter(|(key, _)| !known.contains_key(*key))
            .map(|(key, value)| unknown_key(&known, key.clone(), origin_of(value)))
            .collect();
        if unknown.is_empty() {
            Ok(Self {
                environment,
                merged,
                leaves,
            })
        } else {
            Err(SettingsError(unknown))
        }
    }

    /// Reads what was merged.
    pub(super) fn deserialize<T: for<'de> Deserialize<'de>>(&self) -> Result<T, SettingsError> {
        self.merged.clone().try_deserialize().map_err(|error| {
            let (key, allowed) = key_and_allowed(&error);
            self.refused(&key, allowed).into()
        })
    }

    /// The problem of a key whose value is not allowed.
    pub(super) fn refused(&self, key: &str, allowed: impl Into<String>) -> SettingProblem {
        let key = key.split('[').next().unwrap_or(key);
        let value = self.leaves.get(key).map(|value| match &value.kind {
            _ if SECRETS.contains(&key) => MASK.to_owned(),
            ValueKind::Array(items) => items
                .iter()
                .map(Value::to_string)
                .collect::<Vec<_>>()
                .join(","),
            _ => value.to_string(),
        });
        SettingProblem::Value {
            key: key.to_owned(),
            origin: self.origin(key),
            value: value.unwrap_or_default(),
            allowed: allowed.into(),
        }
    }

    /// Where a key's value comes from.
    pub(super) fn origin(&self, key: &str) -> String {
        self.leaves
            .get(key)
            .map_or_else(|| "built in".to_owned(), origin_of)
    }

    /// Where each key's value comes from.
    pub(super) fn origins(&self) -> BTreeMap<String, String> {
        self.leaves
            .iter()
            .map(|(key, value)| (key.clone(), origin_of(value)))
            .collect()
    }
}

fn environment(name: Option<&str>) -> Result<Environment, SettingsError> {
    match name {
        None => Ok(Environment::default()),
        Some("development") => Ok(Environment::Development),
        Some("production") => Ok(Environment::Production),
        Some(other) => Err(SettingProblem::Value {
            key: "environment".to_owned(),
            origin: "environment variable ENVIRONMENT".to_owned(),
            value: other.to_owned(),
            allowed: "development, production".to_owned(),
        }
        .into()),
    }
}

/// The variables that set something, as (name, key, value); a name of its own comes after the general form and so wins.
fn settings_among<'a>(
    variables: &BTreeMap<&'a str, &'a str>,
) -> impl Iterator<Item = (&'a str, String, &'a str)> {
    let general = variables.iter().filter_map(|(name, value)| {
        let key = name
            .strip_prefix(PREFIX)?
            .to_ascii_lowercase()
            .replace("__", ".");
        Some((*name, key, *value))
    });
    let named = VARIABLES.iter().filter_map(|(name, key)| {
        let (name, value) = variables.get_key_value(name)?;
        Some((*name, (*key).to_owned(), *value))
    });
    general.chain(named).collect::<Vec<_>>().into_iter()
}

/// Every value that is no table, by its dotted key.
fn leaves(root: Value) -> BTreeMap<String, Value> {
    fn collect(key: String, value: Value, leaves: &mut BTreeMap<String, Value>) {
        match value.kind {
            ValueKind::Table(table) => {
                for (name, value) in table {
                    let key = if key.is_empty() {
                        name
                    } else {
                        format!("{key}.{name}")
                    };
                    collect(key, value, leaves);
                }
            }
            _ => {
                leaves.insert(key, value);
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(String::new(), root, &mut found);
    found
}

/// Files are named as they stand in the project, wherever the process was started.
fn origin_of(value: &Value) -> String {
    let origin = value.origin().unwrap_or("built in");
    match origin.rsplit('/').next() {
        Some(file) if file.ends_with(".toml") => format!("config/{file}"),
        _ => origin.to_owned(),
    }
}

/// Names the keys of the same section, or the sections where that is wrong already.
fn unknown_key(known: &BTreeMap<String, Value>, key: String, origin: String) -> SettingProblem {
    let section = key
        .rsplit_once('.')
        .map(|(section, _)| format!("{section}."));
    let mut beside: BTreeSet<String> = known
        .keys()
        .filter(|known| {
            section
                .as_deref()
                .is_some_and(|section| known.starts_with(section))
        })
        .cloned()
        .collect();
    if beside.is_empty() {
        beside = known
            .keys()
            .filter_map(|known| known.rsplit_once('.'))
            .map(|(section, _)| format!("{section}.…"))
            .collect();
    }
    SettingProblem::UnknownKey {
        key,
        origin,
        known: beside.into_iter().collect(),
    }
}

/// Without the line of the file that the parser shows, because it may hold a secret.
fn unreadable(error: ConfigError) -> SettingsError {
    let message = error.to_string();
    let is_of_the_file = |line: &&str| {
        let after_its_number = line
            .trim_start()
            .trim_start_matches(|character: char| character.is_ascii_digit());
        after_its_number.trim_start().starts_with('|')
    };
    let lines = message.lines().filter(|line| !is_of_the_file(line));
    SettingProblem::File {
        detail: lines.map(str::trim).collect::<Vec<_>>().join(": "),
    }
    .into()
}

/// The key an error of the `config` crate is about, and what it says is allowed there.
fn key_and_allowed(error: &ConfigError) -> (String, String) {
    match error {
        ConfigError::Type { key, expected, .. } => {
            let allowed = match *expected {
                "a boolean" => "true or false",
                other => other,
            };
            (key.clone().unwrap_or_default(), allowed.to_owned())
        }
        ConfigError::At { key, error, .. } => {
            (key.clone().unwrap_or_default(), key_and_allowed(error).1)
        }
        other => {
            let message = other.to_string();
            let allowed = message
                .rsplit_once(", expected ")
                .map_or(message.as_str(), |(_, allowed)| allowed);
            (
                String::new(),
                allowed.replace('`', "").replace("a sequence", "a list"),
            )
        }
    }
}
