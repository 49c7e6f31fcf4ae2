//! `couronne bench`: load on any S3 endpoint, measured from the client's side and the server's cost.
//!
//! One run: make the bucket, put what the workload must find, warm up, measure, clean up. A phase ends
//! when all workers have finished their last operation; its time counts to that moment.
//! Promises: an operation that failed is counted as failed, never as fast.
//! Must not know: the server's code; it is measured as any other endpoint.

pub(crate) mod arguments;
mod body;
mod client;
mod connection;
mod measure;
mod report;
mod server_cost;
mod signing;
mod worker;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use self::arguments::{BenchArguments, Workload};
use self::body::Bodies;
use self::client::Client;
use self::connection::{Connection, Endpoint};
use self::measure::Measured;
use self::report::Report;
use self::server_cost::CostSource;
use self::signing::Signer;
use self::worker::{End, Shared, Worker};
use crate::folder;
use crate::folder::credentials::{self, Credentials, CredentialsError};
use crate::roots;
use crate::secret_argument::{SecretArgument, SecretArgumentError};
use crate::settings::DataSettings;
use crate::terminal;
use couronne_base::env;

/// Why an operation, or the whole run, failed.
#[derive(Debug, Error)]
pub(crate) enum BenchError {
    /// The endpoint cannot be used.
    #[error("{0}")]
    Endpoint(String),
    /// The keys cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The secret key cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretArgumentError),
    /// S3 said no.
    #[error("{code}: {message}")]
    S3 {
        /// S3's code, or the status if there is none.
        code: String,
        /// The body of the answer.
        message: String,
    },
    /// A body ended early.
    #[error("the body is shorter than the object")]
    ShortBody,
    /// The connection failed.
    #[error("connection: {0}")]
    Io(#[from] std::io::Error),
    /// HTTP failed.
    #[error("connection: {0}")]
    Hyper(#[from] hyper::Error),
    /// A request could not be built.
    #[error("request: {0}")]
    Http(#[from] http::Error),
    /// There is neither an endpoint nor a running server.
    #[error(transparent)]
    DataFolder(#[from] folder::DataFolderError),
    /// A worker died.
    #[error("worker: {0}")]
    Worker(#[from] tokio::task::JoinError),
    /// Operations failed.
    #[error("some operations failed")]
    Failures,
}

impl BenchError {
    /// The word a failure is counted under.
    fn code(&self) -> String {
        match self {
            Self::S3 { code, .. } => code.clone(),
            Self::ShortBody => "short body".to_owned(),
            Self::Io(error) => format!("connection: {}", error.kind()),
            Self::Hyper(_) => "connection: http".to_owned(),
            other => other.to_string(),
        }
    }
}

/// Runs the load and prints the report.
pub(crate) async fn run(arguments: BenchArguments) -> Result<(), BenchError> {
    let env = env::system();
    let (target, cost_source) = target(&arguments, &env)?;
    let shared = Arc::new(Shared { arguments, next_deleted: AtomicU64::new(0) });
    let arguments = &shared.arguments;
    target.client(arguments).create_bucket().await?;
    let body_len = if arguments.workload == Workload::Multipart { arguments.part_size } else { arguments.size };
    let body_len = usize::try_from(body_len).map_err(|error| BenchError::Endpoint(error.to_string()))?;
    let workers = (0..arguments.concurrency.max(1)).map(|number| {
        let number = u64::try_from(number).unwrap_or(0);
        let bodies = Bodies::new(body_len, number, arguments.payload, &env);
        Worker::new(Arc::clone(&shared), target.client(arguments), bodies, number)
    });
    let workers = prepare(workers.collect(), &target, arguments).await?;
    let (workers, _) = phase(workers, &End::At(Instant::now() + arguments.warm_up)).await?;

    let before = cost_source.read().await?;
    let started = Instant::now();
    let end = match arguments.operations {
        Some(operations) => End::After(Arc::new(AtomicU64::new(operations))),
        None => End::At(started + arguments.duration),
    };
    let (_, measured) = phase(workers, &end).await?;
    let took = started.elapsed();
    let cost = cost_source.read().await?.zip(before).map(|(after, before)| after.since(before));

    let report = Report::new(arguments, measured, took, cost);
    if arguments.json {
        terminal::say(&serde_json::to_string_pretty(&report).unwrap_or_default());
    } else {
        terminal::say(&report.text());
    }
    if !arguments.keep {
        clean(&target, arguments).await?;
    }
    if report.has_errors() { Err(BenchError::Failures) } else { Ok(()) }
}

/// Where the load goes, and the keys that sign it.
struct Target {
    endpoint: Arc<Endpoint>,
    signer: Arc<Signer>,
}

impl Target {
    /// A client with a connection of its own.
    fn client(&self, arguments: &BenchArguments) -> Client {
        let connection = Connection::new(Arc::clone(&self.endpoint), Arc::clone(&self.signer));
        Client::new(connection, arguments.bucket.clone())
    }
}

/// The endpoint the flags name, or the server that runs on the data folder.
fn target(arguments: &BenchArguments, env: &couronne_base::env::Env) -> Result<(Target, CostSource), BenchError> {
    let mut pids = arguments.pids.clone();
    let url = match &arguments.endpoint {
        Some(url) => url.clone(),
        None => {
            let server = folder::running_server(&arguments.data)?;
            if pids.is_empty() && arguments.metrics.is_none() {
                pids.push(server.pid);
            }
            let scheme = if server.tls { "https" } else { "http" };
            let s3 = server.s3.ok_or_else(|| BenchError::Endpoint("a storage node has no S3 listener".to_owned()))?;
            format!("{scheme}://{s3}")
        }
    };
    let secret_key = arguments.secret_key.as_ref().map(SecretArgument::read).transpose()?;
    let flags = match arguments.access_key.clone() {
        None => None,
        given => credentials::of_client(given, secret_key)?,
    };
    let kept = || -> Result<_, BenchError> {
        let settings = DataSettings { folders: vec![arguments.data.clone()], ..DataSettings::default() };
        Ok(folder::operator_secrets_of(&settings)?.root)
    };
    let keys = match (flags, &arguments.endpoint) {
        (None, None) => kept()?,
        (flags, _) => flags,
    };
    let Some(Credentials { access_key, secret_key }) =
        keys.map_or_else(|| credentials::of_client(None, None), |keys| Ok(Some(keys)))?
    else {
        return Err(BenchError::Endpoint(
            "an access key and a secret key are needed: give --access-key and --secret-key".to_owned(),
        ));
    };
    let cost_source = match (&arguments.metrics, pids.is_empty()) {
        (Some(url), _) => CostSource::Metrics(url.clone()),
        (None, true) => CostSource::None,
        (None, false) => CostSource::Processes(pids),
    };
    let endpoint = Arc::new(endpoint(&url, arguments)?);
    let signer = Arc::new(Signer::new(access_key, secret_key, arguments.region.clone(), env.clone()));
    Ok((Target { endpoint, signer }, cost_source))
}

/// Reads an endpoint's URL.
fn endpoint(url: &str, arguments: &BenchArguments) -> Result<Endpoint, BenchError> {
    let authority = |rest: &str, port: u16| {
        let rest = rest.trim_end_matches('/');
        if rest.rsplit_once(':').is_some() { rest.to_owned() } else { format!("{rest}:{port}") }
    };
    if let Some(rest) = url.strip_prefix("http://") {
        return Ok(Endpoint { authority: authority(rest, 80), tls: None });
    }
    let Some(rest) = url.strip_prefix("https://") else {
        return Err(BenchError::Endpoint(format!("`{url}` is no endpoint: use http://HOST:PORT or https://HOST:PORT")));
    };
    let believing = roots::believing(arguments.ca_cert.as_deref());
    let config = believing.map_err(|error| BenchError::Endpoint(error.to_string()))?;
    Ok(Endpoint { authority: authority(rest, 443), tls: Some(TlsConnector::from(config)) })
}

/// Puts the objects that the workload must find, unless they are there.
async fn prepare(workers: Vec<Worker>, target: &Target, arguments: &BenchArguments) -> Result<Vec<Worker>, BenchError> {
    if matches!(arguments.workload, Workload::Put | Workload::Multipart) {
        return Ok(workers);
    }
    if count(target, arguments).await? >= arguments.objects {
        return Ok(workers);
    }
    let total = u64::try_from(workers.len()).unwrap_or(1);
    let mut tasks: JoinSet<_> = workers.into_iter().map(|worker| worker.prepare(total)).collect();
    let mut ready = Vec::new();
    while let Some(worker) = tasks.join_next().await {
        ready.push(worker??);
    }
    Ok(ready)
}

/// How many of the prepared objects there are.
async fn count(target: &Target, arguments: &BenchArguments) -> Result<u64, BenchError> {
    let (mut client, mut from, mut count) = (target.client(arguments), None, 0);
    loop {
        let page = client.list(&worker::prepared_prefix(arguments), from.as_deref()).await?;
        count += u64::try_from(page.keys.len()).unwrap_or(0);
        from = page.next;
        if from.is_none() {
            return Ok(count);
        }
    }
}

/// Runs all workers to the end of a phase.
async fn phase(workers: Vec<Worker>, end: &End) -> Result<(Vec<Worker>, Measured), BenchError> {
    let mut tasks: JoinSet<_> = workers.into_iter().map(|worker| worker.run(end.clone())).collect();
    let (mut workers, mut measured) = (Vec::new(), Measured::default());
    while let Some(done) = tasks.join_next().await {
        let (worker, part) = done?;
        workers.push(worker);
        measured.merge(part);
    }
    Ok((workers, measured))
}

/// Deletes everything below the prefix.
async fn clean(target: &Target, arguments: &BenchArguments) -> Result<(), BenchError> {
    let mut lister = target.client(arguments);
    let mut clients: Vec<_> = (0..arguments.concurrency.max(1)).map(|_| target.client(arguments)).collect();
    loop {
        let keys = lister.list(&arguments.prefix, None).await?.keys;
        if keys.is_empty() {
            return Ok(());
        }
        let share = keys.len().div_ceil(clients.len());
        let mut tasks: JoinSet<Result<Client, BenchError>> = JoinSet::new();
        for (keys, mut client) in keys.chunks(share).map(<[String]>::to_vec).zip(clients.drain(..)) {
            tasks.spawn(async move {
                for key in keys {
                    client.delete(&key).await?;
                }
                Ok(client)
            });
        }
        while let Some(client) = tasks.join_next().await {
            clients.push(client??);
        }
    }
}

/// The text of a page over plain HTTP.
async fn plain_get(url: &str) -> Result<String, BenchError> {
    let rest = url.strip_prefix("http://");
    let rest = rest.ok_or_else(|| BenchError::Endpoint(format!("`{url}` does not begin with http://")))?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let stream = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(authority)).await;
    let stream = stream.map_err(|_| BenchError::Endpoint(format!("{authority} does not answer")))??;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = http::Request::get(format!("/{path}")).header("host", authority).body(Empty::<Bytes>::new())?;
    let body = sender.send_request(request).await?.into_body().collect().await?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}
