//! TLS with authorities of one's own, a client certificate, and a server known by another name than its address.

use std::{fs, path::PathBuf, sync::Arc};

use nomad_services_nomad::{Client, ClientSettings, ErrorKind};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

use crate::agent::{Answer, read_request, settings, write_answer};

const SERVER_NAME: &str = "server.global.nomad";

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn certificate_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn issue_files(&self, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.issue(name);
        let files = (
            self.folder.path().join(format!("{name}.pem")),
            self.folder.path().join(format!("{name}.key")),
        );
        fs::write(&files.0, certificate.pem()).unwrap();
        fs::write(&files.1, key.serialize_pem()).unwrap();
        files
    }
}

/// Answers every request with the name in the handshake, whether there was a client certificate, and the `Host` header.
struct TlsAgent {
    port: u16,
    listening: JoinHandle<()>,
}

impl Drop for TlsAgent {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl TlsAgent {
    async fn start(authority: &Authority, name: &str, wants_certificate: bool) -> Self {
        let (certificate, key) = authority.issue(name);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if wants_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(authority.issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let listening = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that refuses the certificate ends the handshake.
                    let Ok(mut connection) = acceptor.accept(connection).await else {
                        return;
                    };
                    let request = read_request(&mut connection).await;
                    let (_, session) = connection.get_ref();
                    let seen = serde_json::json!([
                        session.server_name().unwrap_or(""),
                        session.peer_certificates().is_some().to_string(),
                        request.headers["host"],
                    ]);
                    write_answer(&mut connection, Answer::json(seen.to_string())).await;
                });
            }
        });
        Self { port, listening }
    }

    fn settings(&self, host: &str) -> ClientSettings {
        settings(&format!("https://{host}:{}", self.port))
    }
}

/// What the agent saw, through the one call whose answer is a list of text.
async fn seen(settings: &ClientSettings) -> Result<Vec<String>, ErrorKind> {
    let client = Client::new(settings).unwrap();
    client.regions().await.map_err(|error| error.kind())
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_and_any_other_is_not() {
    let authority = Authority::new();
    let agent = TlsAgent::start(&authority, "localhost", false).await;
    let mut settings = agent.settings("localhost");
    settings.ca_certificate = Some(authority.certificate_file());
    assert_eq!(seen(&settings).await.unwrap()[0], "localhost");

    let other = Authority::new();
    settings.ca_certificate = Some(other.certificate_file());
    assert_eq!(seen(&settings).await, Err(ErrorKind::Unreachable));
    settings.ca_certificate = None;
    assert_eq!(seen(&settings).await, Err(ErrorKind::Unreachable));
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_one_is_asked_for() {
    let authority = Authority::new();
    let agent = TlsAgent::start(&authority, "localhost", true).await;
    let mut settings = agent.settings("localhost");
    settings.ca_certificate = Some(authority.certificate_file());
    assert!(seen(&settings).await.is_err());
    settings.client_certificate = Some(authority.issue_files("client.global.nomad"));
    assert_eq!(seen(&settings).await.unwrap()[1], "true");
}

#[tokio::test]
async fn a_server_may_be_known_by_another_name_than_its_address() {
    let authority = Authority::new();
    let agent = TlsAgent::start(&authority, SERVER_NAME, false).await;
    for host in ["127.0.0.1", "localhost"] {
        let mut settings = agent.settings(host);
        settings.ca_certificate = Some(authority.certificate_file());
        assert_eq!(seen(&settings).await, Err(ErrorKind::Unreachable), "{host}");
        settings.server_name = Some(SERVER_NAME.to_owned());
        assert_eq!(seen(&settings).await.unwrap()[0], SERVER_NAME);
        settings.server_name = Some("server.mars.nomad".to_owned());
        assert_eq!(seen(&settings).await, Err(ErrorKind::Unreachable), "{host}");
    }
}

#[test]
fn files_that_hold_no_certificate_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "nothing").unwrap();
    let mut unusable = settings("https://localhost:4646");
    unusable.ca_certificate = Some(empty.clone());
    let error = Client::new(&unusable).unwrap_err().to_string();
    assert!(error.contains("empty.pem"), "{error}");
    unusable.ca_certificate = None;
    unusable.client_certificate = Some((empty.clone(), empty));
    let error = Client::new(&unusable).unwrap_err().to_string();
    assert!(error.contains("empty.pem"), "{error}");
}
