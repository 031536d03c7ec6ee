//! Opens a connection to the directory: name resolution, TCP and TLS together within one time limit.

use std::path::Path;
use std::sync::Arc;

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, StdStream};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;

use super::{DirectoryError, Security, Settings, Tls};

/// A certificate or key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsFault(String);

fn fault(path: &Path, error: &dyn std::fmt::Display) -> TlsFault {
    TlsFault(format!("{}: {error}", path.display()))
}

/// The TLS configuration; `None` when certificates are not checked, which the library does by itself.
pub(super) fn client_config(tls: &Tls) -> Result<Option<Arc<ClientConfig>>, TlsFault> {
    if !tls.verify {
        return Ok(None);
    }
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = &tls.ca_file {
        let certificates = certificates(path)?;
        for certificate in certificates {
            roots.add(certificate).map_err(|error| fault(path, &error))?;
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsFault(error.to_string()))?
        .with_root_certificates(roots);
    let config = match &tls.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| fault(key, &error))?;
            builder.with_client_auth_cert(chain, private).map_err(|error| fault(certificate, &error))?
        }
    };
    Ok(Some(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| fault(path, &error))?;
    let all = read.collect::<Result<Vec<_>, _>>().map_err(|error| fault(path, &error))?;
    if all.is_empty() { Err(fault(path, &"no certificate found")) } else { Ok(all) }
}

/// A connection that nobody is bound to yet. Ends when its handle is dropped.
pub(super) async fn open(settings: &Settings, tls: Option<&Arc<ClientConfig>>) -> Result<Ldap, DirectoryError> {
    let opening = async {
        let failed = |error: std::io::Error| DirectoryError::Unavailable(error.to_string());
        let tcp = TcpStream::connect((settings.host.as_str(), settings.port)).await.map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        let stream = StdStream::Tcp(tcp.into_std().map_err(failed)?);
        let (scheme, options) = (scheme(&settings.security), LdapConnSettings::new().set_std_stream(stream));
        let (name, options) = match &settings.security {
            Security::Plain => (settings.host.as_str(), options),
            Security::Tls(how) | Security::StartTls(how) => {
                let options = match tls {
                    Some(config) => options.set_config(Arc::clone(config)),
                    None => options.set_no_tls_verify(true),
                };
                let starts = matches!(settings.security, Security::StartTls(_));
                (how.server_name.as_deref().unwrap_or(&settings.host), options.set_starttls(starts))
            }
        };
        // The stream is already there; the URL only says how to speak and which name the certificate must have.
        let url = format!("{scheme}://{name}");
        let (connection, ldap) = LdapConnAsync::with_settings(options, &url).await?;
        Ok::<_, DirectoryError>((connection, ldap))
    };
    let late = |_| Err(DirectoryError::Unavailable("no connection in time".to_owned()));
    let (connection, ldap) = tokio::time::timeout(settings.connect_timeout, opening).await.unwrap_or_else(late)?;
    // Ends with the handle; what it says at its end is known to the caller already.
    drop(tokio::spawn(async move { drop(connection.drive().await) }));
    Ok(ldap)
}

const fn scheme(security: &Security) -> &'static str {
    match security {
        Security::Tls(_) => "ldaps",
        Security::StartTls(_) | Security::Plain => "ldap",
    }
}
