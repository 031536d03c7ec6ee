//! How TLS is done: rustls with ring, the web's certificate authorities, HTTP/1.1 only.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// A configuration that also trusts the authorities in `extra_roots` (PEM; empty for none).
pub(super) fn client_config(extra_roots: &[u8]) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(extra_roots) {
        roots.add(certificate.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        added += 1;
    }
    if added == 0 && !extra_roots.is_empty() {
        return Err("no certificate found".to_owned());
    }
    // The provider is named, not taken from the process: two providers in one build would make the default panic.
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // No h2: a burst would open one connection per request, and the h2 in the tree has an open advisory.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
