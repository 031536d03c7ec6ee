//! A certificate authority for the tests and the server side of TLS.

use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

static AUTHORITY: LazyLock<CertifiedIssuer<'static, KeyPair>> = LazyLock::new(|| {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
});

static SERVER: LazyLock<TlsAcceptor> = LazyLock::new(|| {
    let key = KeyPair::generate().unwrap();
    let names = vec![crate::NAME.to_owned(), "proxy.test".to_owned()];
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, authority()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
});

/// Who signs the servers' certificates.
pub fn authority() -> &'static CertifiedIssuer<'static, KeyPair> {
    &AUTHORITY
}

/// The server's side of a handshake.
pub async fn accept(tcp: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = SERVER.accept(tcp).await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]), "only http/1.1 is offered");
    Ok(stream)
}
