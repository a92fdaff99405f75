//! What stops a start, and how its operator is told.

use super::*;

#[test]
fn a_wrong_value_is_named_with_its_key_origin_and_what_is_allowed() {
    for (name, value, expected) in [
        (
            "SERVER_PORT",
            "http",
            r#"server.port (environment variable SERVER_PORT): "http" is not valid; allowed: a whole number from 0 to 65535"#,
        ),
        (
            "SERVER_PORT",
            "65536",
            r#"server.port (environment variable SERVER_PORT): "65536" is not valid; allowed: a whole number from 0 to 65535"#,
        ),
        (
            "DB_PORT",
            "-1",
            r#"database.port (environment variable DB_PORT): "-1" is not valid; allowed: a whole number from 1 to 65535"#,
        ),
        (
            "JWT_TOKEN_DURATION",
            "15",
            r#"auth.access_token_duration (environment variable JWT_TOKEN_DURATION): "15" is not valid; allowed: a whole number above zero with its unit"#,
        ),
        (
            "DB_SSL_MODE",
            "always",
            r#"database.ssl_mode (environment variable DB_SSL_MODE): "always" is not valid; allowed: one of disable, prefer, require, verify-ca, verify-full"#,
        ),
        (
            "LOG_LEVEL",
            "loud",
            r#"log.level (environment variable LOG_LEVEL): "loud" is not valid; allowed: one of error, warn, info, debug, trace"#,
        ),
        (
            "MIGRATE_ON_START",
            "perhaps",
            r#"database.migrate_on_start (environment variable MIGRATE_ON_START): "perhaps" is not valid; allowed: true or false"#,
        ),
        (
            "CORS_ORIGINS",
            "https://a.example/,*",
            r#"cors.origins (environment variable CORS_ORIGINS): "https://a.example/,*" is not valid; allowed: "*", or a list of origins"#,
        ),
        (
            "NOMAD_ADDR",
            "nomad.internal:4646",
            r#"nomad.addr (environment variable NOMAD_ADDR): "nomad.internal:4646" is not valid; allowed: http://host:port"#,
        ),
        (
            "NOMAD_SERVICES__NOMAD__ALLOWED_DRIVERS",
            "docker,java",
            r#"nomad.allowed_drivers (environment variable NOMAD_SERVICES__NOMAD__ALLOWED_DRIVERS): "docker,java" is not valid; allowed: docker or raw_exec"#,
        ),
        (
            "NOMAD_SERVICES__SERVER__HOST",
            "localhost",
            r#"server.host (environment variable NOMAD_SERVICES__SERVER__HOST): "localhost" is not valid; allowed: an IP address"#,
        ),
        (
            "NOMAD_SERVICES__SERVER__TRUSTED_NETWORKS",
            "10.0.0.0/8,::/0",
            r#"server.trusted_networks (environment variable NOMAD_SERVICES__SERVER__TRUSTED_NETWORKS): "10.0.0.0/8,::/0" is not valid; allowed: a list of networks such as 10.0.0.0/8"#,
        ),
        (
            "ENVIRONMENT",
            "staging",
            r#"environment (environment variable ENVIRONMENT): "staging" is not valid; allowed: development, production"#,
        ),
        (
            "NOMAD_CLIENT_CERT",
            "cert.pem",
            "nomad.client_cert (environment variable NOMAD_CLIENT_CERT)",
        ),
        (
            "METRICS_PORT",
            "8080",
            "allowed: another port than server.port",
        ),
        (
            "NOMAD_SERVICES__AUTH__REFUSAL_TIME",
            "30s",
            "allowed: shorter than server.shutdown_timeout",
        ),
        (
            "NOMAD_SERVICES__AUTH__THROTTLE__FORGET_AFTER",
            "15m",
            "allowed: longer than auth.throttle.max_delay",
        ),
        (
            "NOMAD_SERVICES__AUTH__THROTTLE__FIRST_DELAY",
            "16m",
            "allowed: at most auth.throttle.max_delay",
        ),
        (
            "NOMAD_SERVICES__DATABASE__MAX_IDLE",
            "101",
            "allowed: at most database.max_open",
        ),
    ] {
        let message = settings(&[(name, value)]).unwrap_err().to_string();
        assert!(
            message.contains(expected),
            "{name}={value}:\n{message}\ndoes not contain\n{expected}"
        );
    }
}

#[test]
fn a_wrong_value_in_a_file_is_named_with_the_file() {
    for (text, expected) in [
        (
            "[server]\nport = 0.5\n",
            r#"server.port (config/development.toml): "0.5" is not valid; allowed: a whole number from 0 to 65535"#,
        ),
        (
            "[server]\nkeep_alive = 75\n",
            r#"server.keep_alive (config/development.toml): "75" is not valid; allowed: a whole number above zero with its unit"#,
        ),
        (
            "[cors]\norigins = \"*\"\n",
            r#"cors.origins (config/development.toml): "*" is not valid; allowed: a list"#,
        ),
        (
            "[server]\nprot = 1\n[servr]\nport = 1\n",
            "server.prot (config/development.toml): there is no such key; known: server.drain_delay, server.host",
        ),
        (
            "[servr]\nport = 1\n",
            "servr.port (config/development.toml): there is no such key; known: api_keys.…, audit.…, auth.",
        ),
        ("[server\n", "config/development.toml"),
        (
            "server = 5\n",
            "server (config/development.toml): there is no such key",
        ),
    ] {
        let message = settings_with_file("development.toml", text, &[]).unwrap_err();
        assert!(
            message.contains(expected),
            "{text}:\n{message}\ndoes not contain\n{expected}"
        );
    }
}

#[test]
fn an_unknown_variable_of_ours_stops_the_start() {
    for name in [
        "NOMAD_SERVICES__SERVER__PROT",
        "NOMAD_SERVICES__SERVER",
        "NOMAD_SERVICES__",
        "NOMAD_SERVICES__A[B",
        "NOMAD_SERVICES__SERVER__PORT__X",
    ] {
        let message = settings(&[(name, "1")]).unwrap_err().to_string();
        assert!(
            message.contains(name) && message.contains("no such key"),
            "{name}: {message}"
        );
    }
}

#[test]
fn a_secret_never_stands_in_a_message_or_a_dump() {
    for (name, secret) in [
        ("JWT_SECRET", "too-short"),
        ("JWT_PREVIOUS_SECRET", "too-short"),
        ("DATABASE_URL", "mysql://app:hunter2@db/app"),
        (
            "DATABASE_URL",
            "postgres://app:hunter2@db/app?sslmode=maybe",
        ),
        ("DB_PASSWORD", "hunter2"),
        ("DB_HOST", "app:hunter2@db"),
    ] {
        let message = settings(&[(name, secret)]).unwrap_err().to_string();
        assert!(
            message.contains(name) && message.contains("**********"),
            "{message}"
        );
        assert!(
            !message.contains("too-short") && !message.contains("hunter2"),
            "{message}"
        );
    }
    let broken = "[database]\nurl = \"postgres://app:hunter2\"hunter2@db/app\"\n";
    let message = settings_with_file("development.toml", broken, &[]).unwrap_err();
    assert!(
        message.contains("development.toml") && !message.contains("hunter2"),
        "{message}"
    );
    let settings = production(&[
        ("DATABASE_URL", "postgres://app:hunter2@db/app"),
        ("NOMAD_TOKEN", "hunter2"),
    ])
    .unwrap();
    for dump in [
        format!("{settings:?}"),
        serde_json::to_string(&settings).unwrap(),
    ] {
        assert!(
            !dump.contains("hunter2") && !dump.contains(SECRET),
            "{dump}"
        );
    }
}
