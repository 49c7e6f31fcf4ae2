//! Certificates of a small cluster, and TLS made of them.

use std::sync::Arc;

use couronne_base::env::{self, Env};
use couronne_cluster::Role;
use couronne_protocol::net::Tls;
use couronne_protocol::net::certificates::{Authority, CertificateRequest, MEMBER_LIFETIME, PrivateKey};
use couronne_ring::NodeId;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};

pub(crate) struct Cluster {
    authority: Authority,
    env: Env,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let env = env::system();
        Self { authority: Authority::create(1, &env).unwrap().0, env }
    }

    fn certificate(&self, node: u128) -> (PrivateKey, Vec<u8>) {
        let key = PrivateKey::generate().unwrap();
        let request = key.request(b"").unwrap();
        let request = CertificateRequest::proven(&request, b"").unwrap();
        let role = Role::StorageNode;
        let certificate = self.authority.sign(&request, NodeId(node), role, MEMBER_LIFETIME, &self.env).unwrap();
        (key, certificate)
    }

    pub(crate) fn tls(&self, node: u128) -> Arc<Tls> {
        let (key, certificate) = self.certificate(node);
        Tls::new(self.env.clock.clone(), self.authority.certificate(), &certificate, &key).unwrap()
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.authority.certificate().to_vec())).unwrap();
        Arc::new(roots)
    }

    /// For HTTP: the same versions, suites and mutual authentication.
    pub(crate) fn server(&self, protocol: &str) -> ServerConfig {
        let (key, certificate) = self.certificate(1);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(self.roots(), provider.clone());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![certificate.into()], der(&key))
            .unwrap();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        config
    }

    pub(crate) fn client(&self, protocol: &str) -> ClientConfig {
        let (key, certificate) = self.certificate(2);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(self.roots())
            .with_client_auth_cert(vec![certificate.into()], der(&key))
            .unwrap();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        config
    }

    pub(crate) fn server_name() -> ServerName<'static> {
        ServerName::try_from(format!("{:032x}.storage-node.{:032x}.couronne.internal", 1, 1)).unwrap()
    }
}

fn der(key: &PrivateKey) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.as_pkcs8().to_vec()))
}
