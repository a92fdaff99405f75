use std::{collections::BTreeSet, fs};

use postgres_connection::SslMode;

use super::*;

mod refusals;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Built-in files and these variables alone.
fn settings(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::from_sources(Path::new("/nonexistent"), &variables(pairs))
}

fn settings_with_file(name: &str, text: &str, pairs: &[(&str, &str)]) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), text).unwrap();
    Settings::from_sources(folder.path(), &variables(pairs))
        .map_err(|error| with_short_path(&error.to_string(), folder.path()))
}

/// With `config` in place of the folder, however it was written: from the root, or from where the tests run.
fn with_short_path(message: &str, folder: &Path) -> String {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let (mut short, mut rest) = (String::new(), message);
    while let Some((before, after)) = rest.split_once(name) {
        let begin = before.rfind([' ', '(', '\n']).map_or(0, |place| place + 1);
        short.push_str(&before[..begin]);
        short.push_str("config");
        rest = after;
    }
    short + rest
}

fn production(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let mut all = vec![
        ("ENVIRONMENT", "production"),
        ("DATABASE_URL", "postgres://app@db/app"),
        ("JWT_SECRET", SECRET),
        ("NOMAD_ADDR", "https://nomad.internal:4646"),
    ];
    all.extend(pairs);
    settings(&all)
}

fn keys(value: &serde_json::Value, prefix: &str, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(object) => {
            for (name, value) in object {
                let key = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                keys(value, &key, found);
            }
        }
        _ => {
            found.insert(prefix.to_owned());
        }
    }
}

#[test]
fn the_default_file_holds_exactly_the_keys_of_the_settings() {
    let settings = settings(&[]).unwrap();
    let mut of_settings = BTreeSet::new();
    keys(
        &serde_json::to_value(&settings).unwrap(),
        "",
        &mut of_settings,
    );
    let of_file: BTreeSet<_> = settings.origins.keys().cloned().collect();
    assert_eq!(of_settings, of_file);
}

#[test]
fn every_variable_with_a_name_of_its_own_sets_a_key_that_exists() {
    let settings = settings(&[]).unwrap();
    for (name, key) in sources::VARIABLES {
        assert!(settings.origins.contains_key(key), "{name} sets {key}");
    }
}

#[test]
fn every_file_of_the_configuration_folder_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() || name == "default" {
            continue;
        }
        Settings::from_sources(
            &folder,
            &variables(&[
                ("ENVIRONMENT", &name),
                ("DATABASE_URL", "postgres://app@db/app"),
                ("JWT_SECRET", SECRET),
                ("NOMAD_ADDR", "http://127.0.0.1:4646"),
            ]),
        )
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

#[test]
fn development_is_the_default_and_asks_for_nothing() {
    let settings = settings(&[]).unwrap();
    assert_eq!(settings.environment, Environment::Development);
    assert!(settings.server.host.is_loopback());
    assert_eq!(settings.server.port, 8080);
    assert_eq!(settings.metrics.port, 9090);
    assert_eq!(
        settings.nomad.allowed_drivers,
        [TaskDriver::Docker, TaskDriver::RawExec]
    );
    assert_eq!(settings.log.format, LogFormat::Text);
    assert!(settings.database.address().unwrap().is_none());
}

#[test]
fn production_asks_for_everything_missing_by_name() {
    let message = settings(&[("ENVIRONMENT", "production")])
        .unwrap_err()
        .to_string();
    for name in [
        "DATABASE_URL",
        "DB_HOST",
        "JWT_SECRET",
        "NOMAD_ADDR",
        "32 bytes",
    ] {
        assert!(message.contains(name), "{name} is missing in: {message}");
    }
}

#[test]
fn production_listens_everywhere_logs_for_machines_and_isolates() {
    let settings = production(&[]).unwrap();
    assert!(settings.server.host.is_unspecified());
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.nomad.allowed_drivers, [TaskDriver::Docker]);
}

#[test]
fn a_file_wins_over_the_defaults_and_a_variable_over_the_file() {
    let text = "[server]\nport = 1111\n[metrics]\nport = 2222\n";
    let settings = settings_with_file(
        "development.toml",
        text,
        &[("SERVER_PORT", "3333"), ("METRICS_PORT", "")],
    )
    .unwrap();
    assert_eq!(settings.server.port, 3333);
    assert_eq!(
        settings.origin("server.port"),
        "environment variable SERVER_PORT"
    );
    assert_eq!(settings.metrics.port, 2222);
    assert!(
        settings
            .origin("metrics.port")
            .ends_with("development.toml")
    );
    assert_eq!(settings.origin("log.level"), "built in");
}

#[test]
fn any_key_has_a_variable() {
    let settings = settings(&[
        ("NOMAD_SERVICES__DATABASE__MAX_OPEN", "20"),
        ("NOMAD_SERVICES__AUTH__PASSWORD__QUEUE", "7"),
        ("NOMAD_SERVICES__NOMAD__ALLOWED_DRIVERS", "docker, raw_exec"),
        ("CORS_ORIGINS", "https://a.example,http://localhost:3000"),
        ("MIGRATE_ON_START", "false"),
        (
            "NOMAD_SERVICES__SERVER__TRUSTED_NETWORKS",
            "10.1.2.3/8, fd00::/8, 192.0.2.7",
        ),
    ])
    .unwrap();
    assert_eq!(settings.database.max_open, 20);
    assert_eq!(settings.auth.password.queue, 7);
    assert_eq!(settings.nomad.allowed_drivers.len(), 2);
    assert_eq!(settings.cors.origins.len(), 2);
    assert!(!settings.database.migrate_on_start);
    let inside = |address: &str| {
        let networks = &settings.server.trusted_networks;
        networks
            .iter()
            .any(|network| network.contains(address.parse().unwrap()))
    };
    assert!(inside("10.9.9.9") && inside("::ffff:10.9.9.9") && inside("fd00::1"));
    assert!(inside("192.0.2.7") && !inside("192.0.2.8") && !inside("11.0.0.1"));
}

#[test]
fn behind_a_pooler_the_database_itself_has_an_address_of_its_own() {
    let direct = "postgres://app:hunter2@db:5432/app";
    let pooled = ("DATABASE_URL", "postgres://app@pooler:6432/app");
    let settings = |pairs: &[(&str, &str)]| settings(pairs).unwrap().database;
    let both = settings(&[pooled, ("DATABASE_DIRECT_URL", direct)]);
    let address = both.direct_address().unwrap().unwrap();
    assert_eq!(address.to_string(), "db:5432");
    assert!(!format!("{both:?}").contains("hunter2"));
    let alone = settings(&[pooled]);
    assert!(alone.direct_address().unwrap().is_none());
    assert!(alone.prepared_statements);
    assert!(!settings(&[("DATABASE_PREPARED_STATEMENTS", "false")]).prepared_statements);
}

#[test]
fn the_database_is_named_by_a_url_or_by_its_parts() {
    let address = |pairs: &[(&str, &str)]| {
        settings(pairs)
            .unwrap()
            .database
            .address()
            .unwrap()
            .unwrap()
    };
    let of_parts = address(&[
        ("DB_HOST", "db"),
        ("DB_USER", "a b"),
        ("DB_PASSWORD", "p@ss/"),
        ("DB_NAME", "app"),
    ]);
    let session = of_parts.session();
    assert_eq!(of_parts.to_string(), "db:5432");
    assert_eq!(session.get_user(), Some("a b"));
    assert_eq!(session.get_password(), Some("p@ss/".as_bytes()));
    assert_eq!(session.get_dbname(), Some("app"));
    assert_eq!(of_parts.ssl_mode(), SslMode::Prefer);

    let of_socket = address(&[("DB_HOST", "/run/postgresql"), ("DB_SSL_MODE", "disable")]);
    assert_eq!(of_socket.to_string(), "/run/postgresql/.s.PGSQL.5432");
    assert_eq!(of_socket.session().get_user(), Some("nomad_services"));
    assert_eq!(of_socket.session().get_dbname(), Some("nomad_services"));
    assert_eq!(of_socket.ssl_mode(), SslMode::Disable);
    assert_eq!(address(&[("DB_HOST", "::1")]).to_string(), "[::1]:5432");

    let of_url = address(&[
        (
            "DATABASE_URL",
            "postgresql://app@db/app?sslmode=verify-full&application_name=x\n",
        ),
        ("DB_HOST", "other"),
        ("DB_SSL_MODE", "disable"),
    ]);
    assert_eq!(of_url.to_string(), "db:5432");
    assert_eq!(of_url.session().get_application_name(), Some("x"));
    assert_eq!(of_url.ssl_mode(), SslMode::VerifyFull);
}
