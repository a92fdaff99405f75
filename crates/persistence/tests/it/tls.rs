//! What each `DB_SSL_MODE` accepts, on a PostgreSQL that speaks TLS and on one that does not.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use embedded_postgres::{Binaries, Cluster, Durability, test_database::TestDatabase};
use migration::MigrationError;
use persistence::{Database, PoolSettings};
use postgres_connection::{Address, ConnectError, SslMode};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use secrecy::{ExposeSecret, SecretString};

use crate::{database::address, pool::sessions};

/// A PostgreSQL whose certificate says `localhost`, and two authorities: the one that signed it, and another.
struct Secured {
    cluster: Cluster,
    trusted: PathBuf,
    other: PathBuf,
    _folder: tempfile::TempDir,
}

impl Secured {
    async fn new() -> Self {
        let folder = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let place = folder.path().join("postgres");
        drop(start(&place).await);
        let (trusted, other) = (
            folder.path().join("ca.pem"),
            folder.path().join("other.pem"),
        );
        let (authority, certificate, key) = certificates();
        fs::write(&trusted, authority).unwrap();
        fs::write(&other, certificates().0).unwrap();
        let data = place.join("data");
        let account = fs::metadata(&data).unwrap();
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = data.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            chown(&path, Some(account.uid()), Some(account.gid())).unwrap();
        }
        let settings = data.join("postgresql.conf");
        let secured = fs::read_to_string(&settings).unwrap() + "\nssl = on\n";
        fs::write(&settings, secured).unwrap();
        let cluster = start(&place).await;
        migration::up(&address(&cluster.url()), None).await.unwrap();
        Self {
            cluster,
            trusted,
            other,
            _folder: folder,
        }
    }

    fn url(&self, host: &str) -> SecretString {
        let url = self.cluster.url();
        url.expose_secret().replace("127.0.0.1", host).into()
    }
}

async fn start(folder: &Path) -> Cluster {
    let binaries = Binaries::find_or_fetch(None).await.unwrap();
    let cluster = Cluster::start(binaries, folder, Durability::Throwaway).await;
    cluster.unwrap()
}

/// An authority's certificate, one for `localhost` that it signed, and the key of that.
fn certificates() -> (String, String, String) {
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&key, &issuer).unwrap();
    (root.pem(), server.pem(), key.serialize_pem())
}

/// Whether the migrations connect. A server that is not trusted is no silent one, for which one would wait.
async fn migrates(address: &Address) -> bool {
    let state = migration::state(address).await;
    if let Err(error) = &state {
        let refused = matches!(
            error,
            MigrationError::Connection(ConnectError::Refused { .. })
        );
        assert!(refused, "{error}");
    }
    state.is_ok()
}

/// Whether the connection is encrypted; `None` where there is none. The migrations get one exactly where the pool does.
async fn connection(url: &SecretString, mode: SslMode, authority: Option<&Path>) -> Option<bool> {
    let address = Address::parse(url).unwrap().or_protected(mode, authority);
    let database = Database::new(&address, PoolSettings::default()).unwrap();
    let answered = database.ping().await.is_ok();
    assert_eq!(migrates(&address).await, answered);
    if !answered {
        return None;
    }
    let plain: SecretString = url.expose_secret().replace("localhost", "127.0.0.1").into();
    let sessions = sessions(&plain).await;
    assert_eq!(sessions.len(), 1);
    Some(sessions[0].encrypted)
}

#[tokio::test]
async fn each_mode_accepts_what_its_name_says() {
    use SslMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
    let server = Secured::new().await;
    let (trusted, other) = (Some(server.trusted.as_path()), Some(server.other.as_path()));
    let (its_own, wrong) = (server.url("localhost"), server.url("127.0.0.1"));
    for (mode, host, authority, expected) in [
        (Disable, &its_own, None, Some(false)),
        (Prefer, &its_own, None, Some(true)),
        (Require, &its_own, None, Some(true)),
        (Require, &wrong, other, Some(true)),
        (VerifyCa, &its_own, trusted, Some(true)),
        (VerifyCa, &wrong, trusted, Some(true)),
        (VerifyCa, &its_own, other, None),
        (VerifyCa, &its_own, None, None),
        (VerifyFull, &its_own, trusted, Some(true)),
        (VerifyFull, &wrong, trusted, None),
        (VerifyFull, &its_own, other, None),
        (VerifyFull, &its_own, None, None),
    ] {
        let host_is_its_own = host.expose_secret() == its_own.expose_secret();
        let found = connection(host, mode, authority).await;
        assert_eq!(
            found, expected,
            "{mode:?}, its own host {host_is_its_own}, authority {authority:?}"
        );
    }
}

#[tokio::test]
async fn a_server_without_tls_is_used_where_encryption_is_no_condition() {
    use SslMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
    let database =
        TestDatabase::new(|url| async move { migration::up(&address(&url), None).await.unwrap() })
            .await;
    for (mode, expected) in [
        (Disable, Some(false)),
        (Prefer, Some(false)),
        (Require, None),
        (VerifyCa, None),
        (VerifyFull, None),
    ] {
        let found = connection(&database.url(), mode, None).await;
        assert_eq!(found, expected, "{mode:?}");
    }
}

#[tokio::test]
async fn a_file_without_authorities_is_named_before_anything_connects() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("empty.pem");
    fs::write(&file, "").unwrap();
    for path in [file, folder.path().join("missing.pem")] {
        let address: Address = "postgres://somebody@127.0.0.1:1/nowhere".parse().unwrap();
        let address = address.or_protected(SslMode::VerifyFull, Some(&path));
        let refused = Database::new(&address, PoolSettings::default()).unwrap_err();
        let word = refused.to_string();
        assert!(word.contains(&path.display().to_string()), "{word}");
    }
}

/// Tells the copy of this program that trusts another system what it is, with the database's address.
const ROLE: &str = "TEST_OF_THE_SYSTEMS_AUTHORITIES";

#[tokio::test]
async fn the_pool_and_the_migrations_trust_the_systems_authorities_where_none_are_named() {
    if let Ok(url) = std::env::var(ROLE) {
        let encrypted = connection(&url.into(), SslMode::VerifyFull, None).await;
        assert_eq!(encrypted, Some(true));
        return;
    }
    let server = Secured::new().await;
    let url = server.url("localhost");
    for (authority, trusts) in [(&server.trusted, true), (&server.other, false)] {
        let copy = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tls::the_pool_and_the_migrations_trust_the_systems_authorities_where_none_are_named"])
            .env(ROLE, url.expose_secret())
            // Where the system's authorities are looked for.
            .env("SSL_CERT_FILE", authority)
            .env_remove("SSL_CERT_DIR")
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&copy.stdout);
        assert_eq!(copy.status.success(), trusts, "{said}");
        assert!(said.contains("1 test"), "{said}");
    }
}
