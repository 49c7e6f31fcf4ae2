//! The parts of a server, made from its settings: the settings of its node, the gateway over the node.
//!
//! Must not know: drives, listeners, signals.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use couronne_client::Settings as ClientSettings;
use couronne_gateway::audit::AuditWriter;
use couronne_gateway::engine::{Components, Engine, Settings as EngineSettings};
use couronne_gateway::front::server::{self, ServerSettings};
use couronne_gateway::front::{ByHead, FrontSettings, Gateway};
use couronne_gateway::iam::{self, Iam};
use couronne_gateway::identity::oidc::Verifier;
use couronne_gateway::identity::{Identity, IdentitySettings};
use couronne_gateway::metrics::Metrics;
use couronne_gateway::s3::{self, S3};
use couronne_metadata::evaluate;
use couronne_outbound::{Outbound, OutboundSettings};
use couronne_storage_node::consensus::ConsensusSettings;
use couronne_storage_node::duties::DutySettings;
use couronne_storage_node::node::{ClusterKeys, DriveNotes, KeepClusterKeys, NodeSettings, ReadPolicy};

use super::descriptors::Descriptors;
use super::{ServeError, audit};
use crate::folder::DataFolder;
use crate::folder::secrets::SharedSecrets;
use crate::roots;
use crate::settings::{AdminSettings, NewBuckets, OutboundConfig, Reads, S3Settings, Settings};

/// A node's settings, with the keys of the cluster that its data folders keep. Of several, each replica keeps its own time.
pub(super) fn node_settings(
    settings: &Settings,
    folder: &Arc<DataFolder>,
    is_alone: bool,
) -> Result<NodeSettings, ServeError> {
    let keeps_keys: Arc<dyn KeepClusterKeys> = folder.clone();
    let have_others = folder.map()?.is_some_and(|map| map.storage_nodes().count() > 1);
    let scrub_cycle = Duration::from_secs(u64::from(settings.storage.scrub_cycle_days) * 86_400);
    Ok(NodeSettings {
        redundancy: settings.data.redundancy()?,
        consensus: ConsensusSettings { own_time: !is_alone, ..ConsensusSettings::default() },
        evaluation: evaluate::Settings { reap_delay_ms: settings.storage.reap_delay_ms },
        reads: match settings.storage.reads {
            Reads::Lease => ReadPolicy::Lease,
            Reads::Quorum => ReadPolicy::Quorum,
        },
        duties: DutySettings {
            repair_grace: Duration::from_secs(settings.storage.repair_grace_s),
            scrub_cycle,
            // A rest and a round after it fit into the cycle, and leave some of it.
            scrub_interval: scrub_cycle / 60,
            scrub_round_max: scrub_cycle / 15 * 14,
            ..DutySettings::default()
        },
        certificate_lifetime: settings.cluster.certificate_lifetime(),
        node: None,
        noted: DriveNotes::default(),
        cluster_keys: ClusterKeys::new(folder.cluster_keys_at_start(have_others)?, keeps_keys),
    })
}

/// The gateway over drives and ranges, wherever they are, and what writes its audit, if there is one.
pub(super) fn gateway(
    components: Components,
    secrets: &SharedSecrets,
    settings: &Settings,
) -> Result<(Arc<Gateway<S3>>, Option<AuditWriter>), ServeError> {
    let env = components.env.clone();
    let limits = &settings.limits;
    let engine = Engine::new(
        components,
        EngineSettings {
            client: ClientSettings {
                write_buffer_bytes_max: limits.write_buffer_bytes_max,
                read_buffer_bytes_max: limits.read_buffer_bytes_max,
                ..ClientSettings::default()
            },
            ..EngineSettings::default()
        },
    );
    let secrets = secrets.identities().ok_or(ServeError::Cluster("sealing secret"))?;
    let identity_settings =
        IdentitySettings { credential_cache_ms: limits.credential_cache_ms, ..IdentitySettings::default() };
    let outbound = Arc::new(outbound(&settings.outbound)?);
    let verifier = Verifier::new(outbound.clone(), Arc::clone(&env.clock));
    let identity = Identity::new(engine.clone(), secrets, identity_settings)?.with_verifier(Arc::new(verifier));
    let metrics = Arc::new(Metrics::new().map_err(|error| ServeError::Metrics(error.to_string()))?);
    let (audit, audit_writer) = audit::start(&settings.audit, outbound, &env, metrics.registry())?;
    let base_domains = settings.s3.base_domains.iter().map(|domain| domain.to_lowercase()).collect();
    let new_buckets = match settings.s3.new_buckets {
        NewBuckets::Closed => s3::NewBuckets::Closed,
        NewBuckets::Open => s3::NewBuckets::Open,
    };
    let face = S3 { base_domains, regions: vec![settings.s3.region.clone()], new_buckets };
    let settings = FrontSettings {
        body_stall_ms: limits.body_stall_ms,
        bytes_per_s_min: limits.client_bytes_per_s_min,
        rate_over_ms: limits.client_rate_over_s.saturating_mul(1000),
        document_bytes_max: limits.document_bytes_max,
        ..FrontSettings::default()
    };
    let documents = settings.documents();
    let gateway = Gateway { engine, identity, env, metrics, audit, settings, documents, face };
    Ok((Arc::new(gateway), audit_writer))
}

/// The client for everything that leaves the cluster.
fn outbound(settings: &OutboundConfig) -> Result<Outbound, ServeError> {
    let config = match roots::believing(settings.certificate_authorities.as_deref()) {
        Ok(config) => Some(config),
        Err(error) if settings.certificate_authorities.is_some() => return Err(error.into()),
        // A system without certificate authorities serves nevertheless: the client says so where it needs them.
        Err(_) => None,
    };
    let bounds = OutboundSettings {
        allow: settings.networks()?,
        connect_time_max_ms: settings.connect_time_max_ms,
        request_time_max_ms: settings.request_time_max_ms,
        answer_bytes_max: settings.answer_bytes_max,
        requests_max: settings.requests_max,
    };
    Ok(Outbound::new(bounds, config.as_deref()))
}

/// The faces of the S3 listener: S3, and beside it IAM and STS over the same components.
pub(super) fn faces(s3: Arc<Gateway<S3>>) -> ByHead<Gateway<Iam>, Arc<Gateway<S3>>> {
    let iam = Gateway {
        engine: s3.engine.clone(),
        identity: s3.identity.clone(),
        env: s3.env.clone(),
        metrics: s3.metrics.clone(),
        audit: s3.audit.clone(),
        settings: s3.settings.clone(),
        documents: s3.documents.clone(),
        face: Iam,
    };
    ByHead { is_first: iam::is_meant, first: iam, others: s3 }
}

/// The S3 listener's bounds, in a process with so many drives.
pub(super) fn server_settings(
    settings: &Settings,
    descriptors: Descriptors,
    drives: usize,
) -> Result<ServerSettings, ServeError> {
    let limits = &settings.limits;
    Ok(ServerSettings {
        trusted_proxies: settings.s3.proxies()?,
        connections_max: descriptors.connections(drives, limits.connections_max),
        head_timeout_ms: limits.head_timeout_ms,
        send_stall_ms: limits.send_stall_ms,
        bytes_per_s_min: limits.client_bytes_per_s_min,
        rate_over_ms: limits.client_rate_over_s.saturating_mul(1000),
        peer_connections_max: limits.peer_connections_max.unwrap_or(usize::MAX),
        requests_max: limits.requests_max,
        receive_buffer_bytes_max: limits.receive_buffer_bytes_max,
        request_time_max_s: limits.request_time_max_s,
        shutdown_grace_ms: settings.process.shutdown_grace_s.saturating_mul(1000),
        ..ServerSettings::default()
    })
}

/// The S3 listener's certificate, if it has one.
pub(super) fn tls(settings: &S3Settings) -> Result<Option<Arc<rustls::ServerConfig>>, ServeError> {
    listener_tls(settings.tls_cert_path.as_deref(), settings.tls_key_path.as_deref())
}

/// The admin listener's certificate, if it has one. It speaks HTTP/1.1 alone.
pub(super) fn admin_tls(settings: &AdminSettings) -> Result<Option<Arc<rustls::ServerConfig>>, ServeError> {
    let config = listener_tls(settings.tls_cert_path.as_deref(), settings.tls_key_path.as_deref())?;
    let alone = |config: Arc<rustls::ServerConfig>| {
        let mut config = rustls::ServerConfig::clone(&config);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    };
    Ok(config.map(alone))
}

#[allow(clippy::disallowed_methods, reason = "read once at the start, from where the operator put them")]
fn listener_tls(chain: Option<&Path>, key: Option<&Path>) -> Result<Option<Arc<rustls::ServerConfig>>, ServeError> {
    let (Some(chain), Some(key)) = (chain, key) else { return Ok(None) };
    let read =
        |path: &Path| std::fs::read(path).map_err(|source| ServeError::TlsFile { path: path.to_owned(), source });
    let (chain_pem, key_pem) = (read(chain)?, zeroize::Zeroizing::new(read(key)?));
    let refused = |source| ServeError::Tls { chain: chain.to_owned(), key: key.to_owned(), source };
    Ok(Some(server::tls_config(&chain_pem, &key_pem).map_err(refused)?))
}
