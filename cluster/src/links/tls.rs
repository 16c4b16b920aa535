//! Mutual TLS between members. Without certificates of the operator's own, each start makes one: the cluster secret
//! is the seed of the authority's key, so whoever knows the secret can make a certificate that all others accept, and
//! nobody else can.

use std::sync::Arc;

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::secret::Secret;
use crate::settings::Certificates;

/// Keeps other services that speak TLS apart from ours.
/// The second version of the hello says which stores a node works on; nodes of both versions understand each other.
pub const ALPN_STORES: &[u8] = b"metastamp-link/2";
const ALPN: &[u8] = b"metastamp-link/1";

#[derive(Clone)]
pub struct Tls {
    pub acceptor: TlsAcceptor,
    pub connector: TlsConnector,
}

struct Material {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authorities: Vec<CertificateDer<'static>>,
}

impl Tls {
    /// # Errors
    /// When the operator's certificates can't be read, or don't fit together.
    pub fn new(node_id: &str, secret: &Secret, own: Option<&Certificates>) -> anyhow::Result<Self> {
        let material = match own {
            Some(own) => from_files(own)?,
            None => from_secret(node_id, secret).context("can't make a certificate")?,
        };
        if own.is_some() {
            let leaf = material.chain.first().context("the certificate file holds no certificate")?;
            anyhow::ensure!(
                names(leaf, node_id),
                "the certificate does not name this node: its subject alternative names must hold {node_id}"
            );
        }
        let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        for authority in material.authorities {
            roots.add(authority).context("the certificate authority")?;
        }
        let roots = Arc::new(roots);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build()?;
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(material.chain.clone(), material.key.clone_key())?;
        server.alpn_protocols = vec![ALPN_STORES.to_vec(), ALPN.to_vec()];
        // Links are few and long: nothing is gained by resuming, and every handshake proves the certificate anew.
        server.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(material.chain, material.key)?;
        client.alpn_protocols = vec![ALPN_STORES.to_vec(), ALPN.to_vec()];
        client.resumption = rustls::client::Resumption::disabled();
        Ok(Self { acceptor: Arc::new(server).into(), connector: Arc::new(client).into() })
    }
}

/// Whether the certificate is made out to this node id.
pub fn names(certificate: &CertificateDer<'_>, node_id: &str) -> bool {
    let Ok(name) = ServerName::try_from(node_id) else { return false };
    webpki::EndEntityCert::try_from(certificate).is_ok_and(|leaf| leaf.verify_is_valid_for_subject_name(&name).is_ok())
}

fn from_files(own: &Certificates) -> anyhow::Result<Material> {
    let read = |path: &std::path::Path| -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let pems = CertificateDer::pem_file_iter(path).with_context(|| format!("can't read {}", path.display()))?;
        pems.collect::<Result<_, _>>().with_context(|| format!("{} is not PEM", path.display()))
    };
    let key = PrivateKeyDer::from_pem_file(&own.key);
    let key = key.with_context(|| format!("{} holds no private key", own.key.display()))?;
    Ok(Material { chain: read(&own.certificate)?, key, authorities: read(&own.authority)? })
}

fn from_secret(node_id: &str, secret: &Secret) -> anyhow::Result<Material> {
    // RFC 8410: an Ed25519 private key is its 32-byte seed behind a fixed head.
    let mut pkcs8 =
        vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    pkcs8.extend_from_slice(&secret.derive::<32>("certificate authority", b""));
    let authority_key = KeyPair::try_from(&PrivatePkcs8KeyDer::from(pkcs8))?;
    let mut authority = CertificateParams::default();
    authority.distinguished_name = common_name("metastamp cluster");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority_certificate = authority.self_signed(&authority_key)?;

    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(vec![node_id.to_owned()])?;
    leaf.distinguished_name = common_name(node_id);
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = leaf.signed_by(&key, &Issuer::new(authority, authority_key))?;
    Ok(Material {
        chain: vec![certificate.der().clone()],
        key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        authorities: vec![authority_certificate.der().clone()],
    })
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn handshake(client: &Tls, server: &Tls, expected: &str) -> (bool, bool) {
        let (near, far) = tokio::io::duplex(16 << 10);
        let name = ServerName::try_from(expected.to_owned()).unwrap();
        let connect = async {
            use tokio::io::AsyncReadExt;
            let mut stream = client.connector.connect(name, near).await.ok()?;
            // With TLS 1.3 the client is done before it knows what the server thinks of its certificate.
            stream.read_u8().await.ok()
        };
        let accept = async {
            use tokio::io::AsyncWriteExt;
            let mut stream = server.acceptor.accept(far).await.ok()?;
            stream.write_u8(1).await.ok()?;
            let certificates = stream.get_ref().1.peer_certificates()?.to_vec();
            stream.shutdown().await.ok();
            certificates.first().map(|leaf| names(leaf, "node-a") && !names(leaf, "node-b"))
        };
        let (connected, accepted) = tokio::join!(connect, accept);
        (connected.is_some(), accepted == Some(true))
    }

    fn tls(node_id: &str, secret: &str) -> Tls {
        Tls::new(node_id, &Secret::new(secret), None).unwrap()
    }

    #[tokio::test]
    async fn members_with_the_secret_trust_each_other_by_name() {
        let (a, b) = (tls("node-a", "one secret"), tls("node-b", "one secret"));
        assert_eq!(handshake(&a, &b, "node-b").await, (true, true));
        assert_eq!(handshake(&a, &b, "node-c").await, (false, false), "dialled somebody else");
    }

    #[tokio::test]
    async fn strangers_do_not_get_in() {
        let (a, stranger) = (tls("node-a", "one secret"), tls("node-b", "another secret"));
        assert_eq!(handshake(&a, &stranger, "node-b").await, (false, false));
        assert_eq!(handshake(&stranger, &a, "node-a").await, (false, false));
    }
}
