//! What an operator may tune: one struct, every field with its unit in its name and its default here.
//!
//! Promises: a field nobody knows is refused; `docs/configuration.md` is generated from this file and
//! a test compares the two. Components (clock, randomness, stores) are no settings.
//! Must not know: what the settings are used for.

pub(crate) mod reference;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use couronne_base::network::Network;
use couronne_cluster::Role;
use couronne_cluster::changes::is_member_name;
use couronne_cluster::map::MapNode;
use couronne_placement::{Redundancy, RedundancyError};
use couronne_ring::{RegionName, ZoneName};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Drives of one process, at most.
const DRIVES_MAX: u16 = 256;

/// One field as the reference page shows it.
pub(crate) struct Field {
    /// Its name within the section.
    pub(crate) name: &'static str,
    /// Its documentation, line by line.
    pub(crate) docs: &'static [&'static str],
}

/// One section as the reference page shows it.
pub(crate) struct Section {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its documentation, line by line.
    pub(crate) docs: &'static [&'static str],
    /// Its fields in order.
    pub(crate) fields: &'static [Field],
}

/// Declares the settings structs, their defaults and what the reference page says of them, once.
macro_rules! settings {
    ($($(#[doc = $section_doc:literal])+ $section:ident: $Section:ident {
        $($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr,)*
    })*) => {
        /// All settings of a process, as `--config FILE` (TOML) gives them.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct Settings {
            $($(#[doc = $section_doc])+ pub(crate) $section: $Section,)*
        }

        $(
            $(#[doc = $section_doc])+
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
            #[serde(default, deny_unknown_fields)]
            pub(crate) struct $Section {
                $($(#[doc = $doc])+ pub(crate) $name: $type,)*
            }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $($name: $default,)* }
                }
            }
        )*

        /// Every section and field, in the order of the page.
        pub(crate) const SECTIONS: &[Section] = &[$(Section {
            name: stringify!($section),
            docs: &[$($section_doc),+],
            fields: &[$(Field { name: stringify!($name), docs: &[$($doc),+] },)*],
        },)*];
    };
}

settings! {
    /// Where the data lies and how safely, for every role. Fixed at the first start.
    data: DataSettings {
        /// Data folders (`--data`). One folder holds `drives` drive folders; several folders are one drive each.
        folders: Vec<PathBuf> = vec![PathBuf::from("data")],
        /// Drive folders to make below the one data folder (`--drives`). Unset: 1, or as many as the folder was made with.
        drives: Option<u16> = None,
        /// `single`, `replicated:N` or `ec:K+M` (`--policy`), of whatever founds a cluster. Unset: `ec:4+2` with `couronne cluster
        /// init`; with `couronne serve` chosen from the number of drives (1 or 2: `single`, 3: `replicated:2`, 4: `ec:2+1`, 5: `ec:3+2`, 6 or 7: `ec:4+2`, 8 or 9: `ec:6+2`, 10 or more: `ec:8+2`).
        policy: Option<String> = None,
        /// File of the node's key: 64 hexadecimal digits, made at the first start. It seals the secrets in the data folders, and
        /// must not lie in them. Unset: beside the first data folder, named like it with `.key` added. That keeps secrets from
        /// anybody who gets the data folder alone, but not the disk on which both lie. The variable `COURONNE_NODE_KEY`, if it
        /// is set, has the key itself.
        node_key_file: Option<PathBuf> = None,
        /// Command that prints the node's key, as a list of program and arguments, in the place of the file.
        node_key_command: Vec<String> = Vec::new(),
    }

    /// The S3 listener.
    s3: S3Settings {
        /// Address and port (`--listen`). Port 0 takes any free one.
        listen: SocketAddr = loopback(9000),
        /// Certificate chain, PEM (`--tls-cert`). Set: the listener speaks TLS only.
        tls_cert_path: Option<PathBuf> = None,
        /// Private key of the certificate, PEM (`--tls-key`).
        tls_key_path: Option<PathBuf> = None,
        /// Region that signatures must name.
        region: String = "us-east-1".to_owned(),
        /// Domains below which a host name is a bucket's (virtual-host style), as `s3.example.org`.
        base_domains: Vec<String> = Vec::new(),
        /// How new buckets are shared, where their creation does not say: `closed` as S3 makes them (their owner owns all objects, ACLs do not count, public access is blocked) or `open` as S3 made them before April 2023 (objects belong to the account that writes them, ACLs count, nothing is blocked), for applications that expect that.
        new_buckets: NewBuckets = NewBuckets::Closed,
        /// Networks of proxies that are trusted to name their clients, as `10.0.0.0/8`: of their requests `X-Forwarded-For`
        /// tells the client's address to `aws:SourceIp` and `X-Forwarded-Proto` to `aws:SecureTransport`, from anybody
        /// else they count for nothing. A proxy has to add to the first and to set the second.
        trusted_proxies: Vec<String> = Vec::new(),
    }

    /// The admin listener: `/health`, `/metrics` and, with the admin token, the API behind `couronne status`, `node`, `drive`, `policy`, `repair`, `scrub`, `account`, `user` and `clock`.
    admin: AdminSettings {
        /// Address and port (`--admin-listen`). Without a certificate it speaks plain HTTP: keep it on loopback or a private network then.
        listen: SocketAddr = loopback(9001),
        /// Certificate chain, PEM. Set: the listener speaks TLS only.
        tls_cert_path: Option<PathBuf> = None,
        /// Private key of the certificate, PEM.
        tls_key_path: Option<PathBuf> = None,
    }

    /// A process of a cluster: `couronne storage-node` and `couronne gateway`. Name and address may be others at each start. `couronne serve` has no listener for peers: of `listen` and `advertise` it takes no notice.
    cluster: ClusterSettings {
        /// What operators call this process; 1 to 63 letters, digits, hyphens, underscores and dots.
        name: String = "node".to_owned(),
        /// Address of a storage node's listener for its peers and for gateways. It speaks TLS with certificates of the cluster's own.
        listen: SocketAddr = loopback(9100),
        /// Where others reach that listener, as `host:port`. Unset: the address it listens on.
        advertise: Option<String> = None,
        /// Its region: the largest failure domain.
        region: String = "region".to_owned(),
        /// Its zone within the region: what fails together with it.
        zone: String = "zone".to_owned(),
        /// How long the certificates of members last, in seconds; each renews its own when a third of that is left.
        /// At least 15.
        certificate_lifetime_s: u64 = 90 * 86_400,
    }

    /// Bounds of what requests may take.
    limits: LimitSettings {
        /// S3 connections at once. When they are used up, a new one takes the place of a silent one, or of a busy one of
        /// an address that has more; else it is refused. Fewer if the limit of open files (`ulimit -n`) leaves room for
        /// fewer beside what the drives need.
        connections_max: usize = 10_000,
        /// S3 connections at once of one address (of IPv6: of one /64 network), whatever is free. Unset: no bound but
        /// the fair one, since a proxy's clients all have its address.
        peer_connections_max: Option<usize> = None,
        /// S3 requests under way at once. More wait a while, then the slowest of the account that has most is cut with 503.
        requests_max: usize = 2_048,
        /// How long a request may take, its body and its answer included, in seconds. Below a day.
        request_time_max_s: u64 = 21_600,
        /// How long a request's head may take to arrive, and how long a connection may be idle, in milliseconds.
        head_timeout_ms: u64 = 60_000,
        /// How long a client may send nothing of a body that is awaited, in milliseconds.
        body_stall_ms: u64 = 30_000,
        /// How long a client may take nothing of an answer, in milliseconds.
        send_stall_ms: u64 = 60_000,
        /// How many bytes a second a client has to send of a body, or to take of an answer, while it is waited for.
        client_bytes_per_s_min: u64 = 1_024,
        /// Over how much time of waiting for a client that rate is taken, in seconds.
        client_rate_over_s: u64 = 60,
        /// Memory of bodies being received, encoded and written, parity included, in bytes. It is taken as bytes arrive.
        /// When it is short, requests wait a while, then the slowest of the account that holds most is cut with 503.
        write_buffer_bytes_max: u64 = 512 << 20,
        /// Memory of bodies read ahead of their receivers, in bytes. When it is short, the answer that its client takes
        /// most slowly, of the account that holds most, is cut off.
        read_buffer_bytes_max: u64 = 256 << 20,
        /// Memory of what is read from connections before it counts as any of these, in bytes. Where there is none left,
        /// connections are read 8 KiB at a time.
        receive_buffer_bytes_max: u64 = 64 << 20,
        /// Memory of XML documents that clients send, of what is made of them included, in bytes. Shared as the others.
        document_bytes_max: u64 = 64 << 20,
        /// How long a gateway goes by what it heard last of changes of identities, in milliseconds: within it a revoked key,
        /// or a policy that was changed, counts everywhere. One that hears nothing for so long answers 503 to whatever
        /// needs identities.
        credential_cache_ms: u64 = 5_000,
    }

    /// What leaves the cluster: requests to the identity providers that accounts trust. Tenants choose where they go, so a
    /// gateway connects only to addresses that are reachable from everywhere, and follows no redirect.
    outbound: OutboundConfig {
        /// Networks that may be reached beside these, as `["10.0.0.0/8", "fd12::/16"]`. Without TLS (`http:`) nothing but
        /// these is reached. An address where a cloud tells a machine its credentials (169.254.169.254 and the like) is
        /// reached only if it is named itself.
        allow: Vec<String> = Vec::new(),
        /// Certificate authorities that servers are believed by, PEM. Unset: those of the system.
        certificate_authorities: Option<PathBuf> = None,
        /// How long one address may take to accept a connection, in milliseconds.
        connect_time_max_ms: u64 = 2_000,
        /// How long a request may take, from resolving the name to the last byte of the answer, in milliseconds.
        request_time_max_ms: u64 = 5_000,
        /// How large an answer may be, in bytes.
        answer_bytes_max: usize = 1 << 20,
        /// Requests under way at once. More wait a while; then the account that has most gives way.
        requests_max: usize = 64,
    }

    /// The audit: one JSON object a line for each request that changes something or was denied, and for each order of an
    /// operator (docs/audit.md).
    audit: AuditConfig {
        /// Where events go: `off`, `file` (to `path`), `stdout` or `webhook` (to `url`).
        to: AuditTo = AuditTo::Off,
        /// Whether requests that only read have events, too.
        reads: bool = false,
        /// The file. Each process needs one of its own. It is made with its owner's rights alone.
        path: PathBuf = PathBuf::from("audit.log"),
        /// At how many bytes the file rotates: to `PATH.1`, that one to `PATH.2`, and so on.
        rotate_bytes: u64 = 256 << 20,
        /// How many files are kept beside the one that is written; the oldest goes.
        keep_files: u32 = 16,
        /// URL of an HTTP server that takes events by `POST`, many lines at a time. It is reached as `[outbound]` allows.
        url: Option<String> = None,
        /// File with the value of the `Authorization` header for that server, as `Bearer TOKEN`.
        authorization_file: Option<PathBuf> = None,
        /// Memory of events that are not written yet, in bytes. At least 32 KiB.
        queue_bytes_max: usize = 64 << 20,
        /// What becomes of a request that changes something while that memory is full, after `wait_ms`: with `drop` it is
        /// carried out and its event counted as lost, with `refuse` it is told to slow down (503) and nothing is done.
        on_full: AuditOnFull = AuditOnFull::Drop,
        /// How long such a request waits for room, in milliseconds.
        wait_ms: u64 = 100,
        /// How long the same events are offered to an output that does not take them, in seconds. Then they are lost.
        keep_trying_s: u64 = 3_600,
    }

    /// How metadata and deleted data are kept.
    storage: StorageSettings {
        /// In how many ranges the keyspace of metadata is cut. Fixed at the first start.
        metadata_ranges: u16 = 8,
        /// How long a drive may be away before its shards are rebuilt elsewhere, in seconds.
        repair_grace_s: u64 = 300,
        /// Within how many days every drive is read through once and every shard of every blob looked for. The scrubber
        /// reads faster where it would take longer, and `couronne status` says what was not scrubbed for so long. At
        /// least 1.
        scrub_cycle_days: u16 = 15,
        /// How long deleted bytes are kept for readers that began before the deletion, in milliseconds.
        reap_delay_ms: u64 = 3_600_000,
        /// By what a storage node answers reads of metadata: `lease` or `quorum`. By its lease it asks nobody; where a
        /// hypervisor pauses machines (snapshots, live migration) such a read may be stale within one lease (0.64 s) of
        /// the resume, for no clock inside shows the pause. By a quorum each read asks the other replicas first, and is never stale.
        reads: Reads = Reads::Lease,
    }

    /// Logs, on standard error.
    logs: LogSettings {
        /// `text` or `json`.
        format: LogFormat = LogFormat::Text,
        /// What is logged, as `LEVEL` or `target=LEVEL,...`. The variable `COURONNE_LOG` overrides it. The lines of
        /// requests have the target `couronne::access`. `openraft` warns of each message that a node or an election
        /// repeats, as all do that start or stop: only its errors are worth a line. So does `h2` of what a client does that
        /// means ill.
        filter: String = "info,openraft=error,h2=error".to_owned(),
    }

    /// Threads and shutting down.
    process: ProcessSettings {
        /// Threads that run requests. Unset: one per core.
        worker_threads: Option<u16> = None,
        /// How long open requests may take to finish after SIGTERM or SIGINT, in seconds.
        shutdown_grace_s: u64 = 20,
    }
}

impl DataSettings {
    /// The redundancy that is asked for; `None` if the choice is left to the process that founds the cluster.
    pub(crate) fn redundancy(&self) -> Result<Option<Redundancy>, SettingsError> {
        Ok(self.policy.as_deref().map(str::parse).transpose()?)
    }

    /// How many drives are asked for; `None` if that is left to the folder.
    pub(crate) fn asked_drives(&self) -> Result<Option<u16>, SettingsError> {
        let count = match (self.folders.len(), self.drives) {
            (0 | 1, None) => return Ok(None),
            (0 | 1, Some(drives)) => usize::from(drives),
            (_, Some(_)) => return Err(SettingsError::DrivesBesideFolders),
            (folders, None) => folders,
        };
        match u16::try_from(count) {
            Ok(drives @ 1..=DRIVES_MAX) => Ok(Some(drives)),
            _ => Err(SettingsError::DriveCount(count)),
        }
    }
}

#[cfg(test)]
impl DataSettings {
    /// These settings, with a node's key that leaves no file.
    pub(crate) fn with_test_key(self) -> Self {
        Self { node_key_command: vec!["echo".to_owned(), "07".repeat(32)], ..self }
    }
}

impl DataSettings {
    /// The file of the node's key; `None` if there is no place beside the data folder.
    pub(crate) fn node_key_file(&self) -> Option<PathBuf> {
        self.node_key_file.clone().or_else(|| {
            let folder = self.folders.first()?;
            // A path that ends in `..` or `.` has no name of its own.
            let named = std::path::absolute(folder).ok().filter(|path| path.file_name().is_some());
            let folder = named.or_else(|| std::fs::canonicalize(folder).ok())?;
            let mut name = folder.file_name()?.to_owned();
            name.push(".key");
            Some(folder.with_file_name(name))
        })
    }
}

impl OutboundConfig {
    /// The networks that may be reached.
    pub(crate) fn networks(&self) -> Result<Vec<Network>, SettingsError> {
        networks("outbound.allow", &self.allow)
    }
}

impl AuditConfig {
    /// Where the webhook is, if that is a URL.
    pub(crate) fn webhook(&self) -> Option<http::Uri> {
        let url: http::Uri = self.url.as_ref()?.parse().ok()?;
        (url.scheme().is_some() && url.authority().is_some()).then_some(url)
    }
}

impl ClusterSettings {
    /// Where others reach a storage node.
    pub(crate) fn address(&self) -> String {
        self.advertise.clone().unwrap_or_else(|| self.listen.to_string())
    }

    /// How long certificates last.
    pub(crate) const fn certificate_lifetime(&self) -> Duration {
        Duration::from_secs(self.certificate_lifetime_s)
    }
}

/// By what reads of metadata are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reads {
    /// By the leader's lease.
    Lease,
    /// By asking a quorum.
    Quorum,
}

/// How new buckets are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NewBuckets {
    /// As S3 makes them.
    Closed,
    /// As S3 made them before April 2023.
    Open,
}

/// Where the audit's events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuditTo {
    /// Nowhere.
    Off,
    /// To a file that rotates.
    File,
    /// To standard output.
    Stdout,
    /// To an HTTP server.
    Webhook,
}

/// What becomes of a request whose event finds no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuditOnFull {
    /// It is carried out, and its event lost.
    Drop,
    /// It is refused.
    Refuse,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why settings were refused.
#[derive(Debug, Error)]
pub(crate) enum SettingsError {
    /// The file cannot be read.
    #[error("reading settings from {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The file is not TOML, or a field is unknown or of the wrong type.
    #[error("parsing settings from {path}, line {line}: {reason}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// The policy is no policy.
    #[error("{0} (--policy, or data.policy)")]
    Policy(#[from] RedundancyError),
    /// `--drives` beside several `--data`.
    #[error("--drives makes drive folders below one --data folder; with several --data folders each is one drive")]
    DrivesBesideFolders,
    /// No drives, or more than there are numbers for.
    #[error("the number of drives must be 1 to {DRIVES_MAX}, not {0} (--drives, or data.drives)")]
    DriveCount(usize),
    /// Only one of certificate and key is given.
    #[error("TLS takes both a certificate (tls_cert_path, --tls-cert) and its key (tls_key_path, --tls-key)")]
    HalfTls,
    /// A certificate would have run out before it could be renewed.
    #[error("certificates last 15 seconds at least (cluster.certificate_lifetime_s)")]
    ShortCertificates,
    /// A name that others could not write down.
    #[error("{key} is 1 to 63 letters, digits, hyphens, underscores and dots")]
    Name {
        /// The field.
        key: &'static str,
    },
    /// Others could not reach the process.
    #[error("cluster.advertise is an address as host:port, not {0}")]
    Advertise(String),
    /// What should be a network is none.
    #[error("{key} is a list of networks, as 203.0.113.0/24: {text} is none")]
    Network {
        /// The field.
        key: &'static str,
        /// What it has.
        text: String,
    },
    /// Nothing could ever be scrubbed in time.
    #[error("a cycle of the scrubber takes 1 day at least (storage.scrub_cycle_days)")]
    NoScrubCycle,
    /// A part could be older than a day before its commit.
    #[error("a request takes less than a day (limits.request_time_max_s)")]
    LongRequests,
    /// Events are to go to a webhook that is not named.
    #[error("a webhook of the audit has a URL, as https://host/path (audit.url)")]
    NoWebhook,
    /// Each event would have a file of its own.
    #[error("the audit's file rotates at 64 KiB at least (audit.rotate_bytes)")]
    SmallAuditFile,
    /// There is no data folder.
    #[error("at least one data folder is needed (--data)")]
    NoData,
}

impl Settings {
    /// Reads the file, if one is given; what it leaves out has its default.
    #[allow(clippy::disallowed_methods, reason = "read once, before any component exists")]
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, SettingsError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text =
            std::fs::read_to_string(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|error: toml::de::Error| {
            let begins = error.span().map_or(0, |span| span.start);
            let line = text.bytes().take(begins).filter(|byte| *byte == b'\n').count() + 1;
            SettingsError::Parse { path: path.to_owned(), line, reason: error.message().to_owned() }
        })
    }

    /// Refuses settings that contradict each other.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let (s3, admin) = (&self.s3, &self.admin);
        for (certificate, key) in [(&s3.tls_cert_path, &s3.tls_key_path), (&admin.tls_cert_path, &admin.tls_key_path)] {
            if certificate.is_some() != key.is_some() {
                return Err(SettingsError::HalfTls);
            }
        }
        if self.cluster.certificate_lifetime_s < 15 {
            return Err(SettingsError::ShortCertificates);
        }
        if self.storage.scrub_cycle_days == 0 {
            return Err(SettingsError::NoScrubCycle);
        }
        if self.limits.request_time_max_s >= 86_400 {
            return Err(SettingsError::LongRequests);
        }
        if self.data.folders.is_empty() {
            return Err(SettingsError::NoData);
        }
        if self.audit.to == AuditTo::Webhook && self.audit.webhook().is_none() {
            return Err(SettingsError::NoWebhook);
        }
        if self.audit.rotate_bytes < 64 << 10 {
            return Err(SettingsError::SmallAuditFile);
        }
        self.outbound.networks()?;
        self.s3.proxies()?;
        self.data.redundancy()?;
        self.data.asked_drives()?;
        let ClusterSettings { name, region, zone, advertise, .. } = &self.cluster;
        for (key, text) in [("cluster.name", name), ("cluster.region", region), ("cluster.zone", zone)] {
            if !is_member_name(text) {
                return Err(SettingsError::Name { key });
            }
        }
        match advertise.as_ref().filter(|address| !address.contains(':')) {
            Some(address) => Err(SettingsError::Advertise(address.clone())),
            None => Ok(()),
        }
    }

    /// What the cluster map says of this process as a storage node; `address` is where its peers reach it, empty if
    /// it has no listener for them.
    pub(crate) fn place(&self, address: String) -> MapNode {
        MapNode {
            role: Role::StorageNode,
            name: self.cluster.name.as_str().into(),
            address: address.into(),
            region: RegionName(self.cluster.region.as_str().into()),
            zone: ZoneName(self.cluster.zone.as_str().into()),
        }
    }
}

impl S3Settings {
    /// The networks of trusted proxies.
    pub(crate) fn proxies(&self) -> Result<Vec<Network>, SettingsError> {
        networks("s3.trusted_proxies", &self.trusted_proxies)
    }
}

fn networks(key: &'static str, texts: &[String]) -> Result<Vec<Network>, SettingsError> {
    let parse = |text: &String| Network::parse(text).ok_or_else(|| SettingsError::Network { key, text: text.clone() });
    texts.iter().map(parse).collect()
}

/// A port of this machine only.
fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_and_sections_are_refused() {
        for text in ["[s3]\nlisten_address = '127.0.0.1:1'", "[s4]\n", "colour = 'red'"] {
            let error = toml::from_str::<Settings>(text).unwrap_err().to_string();
            assert!(error.contains("unknown field"), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let settings: Settings = toml::from_str("[s3]\nregion = 'eu-west-9'").unwrap();
        let mut expected = Settings::default();
        expected.s3.region = "eu-west-9".to_owned();
        assert_eq!(settings, expected);
        settings.check().unwrap();
    }

    #[test]
    fn certificates_that_nobody_could_renew_in_time_are_refused() {
        let settings: Settings = toml::from_str("[cluster]\ncertificate_lifetime_s = 14").unwrap();
        assert!(matches!(settings.check(), Err(SettingsError::ShortCertificates)));
    }

    #[test]
    fn a_scrub_without_time_is_refused() {
        let settings: Settings = toml::from_str("[storage]\nscrub_cycle_days = 0").unwrap();
        assert!(matches!(settings.check(), Err(SettingsError::NoScrubCycle)));
    }

    #[test]
    fn a_wrong_name_or_address_says_which_field_it_is() {
        let refused = |text: &str| toml::from_str::<Settings>(text).unwrap().check().unwrap_err().to_string();
        assert!(refused("[cluster]\nname = 'n 1'").contains("cluster.name"));
        assert!(refused("[cluster]\nzone = ''").contains("cluster.zone"));
        assert!(refused("[cluster]\nadvertise = 'host'").contains("cluster.advertise"));
    }

    #[test]
    fn what_may_be_reached_is_networks() {
        let settings = |text: &str| toml::from_str::<Settings>(text).unwrap();
        let good = settings("[outbound]\nallow = ['10.0.0.0/8', '::1']");
        good.check().unwrap();
        assert_eq!(good.outbound.networks().unwrap(), ["10.0.0.0/8", "::1"].map(|text| Network::parse(text).unwrap()));
        for wrong in ["10.0.0.0/33", "idp.example", "*", ""] {
            let error = settings(&format!("[outbound]\nallow = ['10.0.0.0/8', '{wrong}']")).check();
            assert!(matches!(error, Err(SettingsError::Network { text, .. }) if text == wrong), "{wrong}");
        }
    }

    #[test]
    fn a_request_of_a_day_is_refused() {
        let settings: Settings = toml::from_str("[limits]\nrequest_time_max_s = 86400").unwrap();
        assert!(matches!(settings.check(), Err(SettingsError::LongRequests)));
    }

    #[test]
    fn a_certificate_without_a_key_is_refused() {
        for half in
            ["[s3]\ntls_cert_path = 'a.pem'", "[s3]\ntls_key_path = 'a.pem'", "[admin]\ntls_cert_path = 'a.pem'"]
        {
            let settings: Settings = toml::from_str(half).unwrap();
            assert!(matches!(settings.check(), Err(SettingsError::HalfTls)), "{half}");
        }
    }
}
