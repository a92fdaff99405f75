//! The HTTP client below: whom it trusts, what it shows, and where it connects. It follows no redirect and uses no
//! proxy: the token goes to the configured agent and nowhere else.

use std::{net::SocketAddr, path::Path, sync::Arc};

use reqwest::{
    Certificate, Identity, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};

use super::{ClientSettings, SetupError};

pub fn http_client(settings: &ClientSettings) -> Result<reqwest::Client, SetupError> {
    let address = settings.url()?;
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("nomad-services/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(settings.connect_timeout)
        .pool_max_idle_per_host(settings.max_idle_connections);
    if let Some(path) = &settings.ca_certificate {
        https_only(&address, "the Nomad CA certificate")?;
        builder = builder.tls_certs_only(authorities(path)?);
    }
    if let Some((certificate, key)) = &settings.client_certificate {
        https_only(&address, "the Nomad client certificate")?;
        builder = builder.identity(identity(certificate, key)?);
    }
    if settings.server_name.is_some() {
        https_only(&address, "the Nomad TLS server name")?;
        builder = builder.dns_resolver(Arc::new(Fixed::of(&address)));
    }
    builder.build().map_err(SetupError::Build)
}

fn https_only(address: &Url, setting: &'static str) -> Result<(), SetupError> {
    if address.scheme() == "https" {
        Ok(())
    } else {
        Err(SetupError::TlsWithoutHttps(setting))
    }
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, SetupError> {
    let what = "the Nomad CA certificate";
    let found = Certificate::from_pem_bundle(&read(what, path)?).unwrap_or_default();
    if found.is_empty() {
        return Err(SetupError::Pem {
            what,
            path: path.to_owned(),
            reason: "it holds no certificate in PEM form",
        });
    }
    Ok(found)
}

fn identity(certificate: &Path, key: &Path) -> Result<Identity, SetupError> {
    let mut pem = read("the Nomad client certificate", certificate)?;
    pem.push(b'\n');
    pem.extend(read("the Nomad client key", key)?);
    Identity::from_pem(&pem).map_err(|_| SetupError::Pem {
        what: "the Nomad client certificate",
        path: certificate.to_owned(),
        reason: "it and its key file must hold a certificate and a private key in PEM form",
    })
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, SetupError> {
    std::fs::read(path).map_err(|source| SetupError::File {
        what,
        path: path.to_owned(),
        source,
    })
}

/// Connects to the configured host whatever name the URL has.
struct Fixed {
    host: String,
}

impl Fixed {
    fn of(address: &Url) -> Self {
        // A URL writes an IPv6 address in brackets, a look-up takes it without.
        let host = address.host_str().unwrap_or_default();
        Self {
            host: host.trim_matches(['[', ']']).to_owned(),
        }
    }
}

impl Resolve for Fixed {
    fn resolve(&self, _: Name) -> Resolving {
        let host = self.host.clone();
        Box::pin(async move {
            // The port of the URL replaces this one.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
