//! The audit of a process, as its settings have it.
//!
//! Must not know: what events say.

use std::sync::Arc;

use couronne_base::env::Env;
use couronne_gateway::audit::{Audit, AuditFile, AuditOutput, AuditSettings, AuditWebhook, AuditWriter, OnFull};
use couronne_outbound::Outbound;
use http::{HeaderValue, Uri};
use prometheus::Registry;

use super::ServeError;
use crate::settings::{AuditConfig, AuditOnFull, AuditTo, SettingsError};

/// Starts the audit, and what writes it; without one, neither.
pub(super) fn start(
    config: &AuditConfig,
    outbound: Arc<Outbound>,
    env: &Env,
    registry: &Registry,
) -> Result<(Audit, Option<AuditWriter>), ServeError> {
    let output = match config.to {
        AuditTo::Off => return Ok((Audit::off(), None)),
        AuditTo::File => AuditOutput::File(AuditFile::open(&config.path, config.rotate_bytes, config.keep_files)?),
        AuditTo::Stdout => AuditOutput::StandardOutput,
        AuditTo::Webhook => {
            let url: Uri = config.webhook().ok_or(SettingsError::NoWebhook)?;
            AuditOutput::Webhook(AuditWebhook::new(outbound, url, authorization(config)?))
        }
    };
    let settings = AuditSettings {
        reads: config.reads,
        on_full: match config.on_full {
            AuditOnFull::Drop => OnFull::Drop,
            AuditOnFull::Refuse => OnFull::Refuse,
        },
        wait_ms: config.wait_ms,
        queue_bytes_max: config.queue_bytes_max,
        keep_trying_s: config.keep_trying_s,
    };
    let started = Audit::start(settings, output, env.clone(), registry);
    let (audit, writer) = started.map_err(|error| ServeError::Metrics(error.to_string()))?;
    Ok((audit, Some(writer)))
}

/// Writes what the audit still has to write, at the end of a process.
pub(super) async fn close(writer: Option<AuditWriter>) {
    if let Some(writer) = writer {
        writer.close().await;
    }
}

#[allow(clippy::disallowed_methods, reason = "read once at the start, from where the operator put it")]
fn authorization(config: &AuditConfig) -> Result<Option<HeaderValue>, ServeError> {
    let Some(path) = &config.authorization_file else { return Ok(None) };
    let read = std::fs::read_to_string(path).map(zeroize::Zeroizing::new);
    let text = read.map_err(|source| ServeError::AuditAuthorization { path: path.clone(), why: source.to_string() })?;
    let value = HeaderValue::from_str(text.trim());
    let refused = |_| ServeError::AuditAuthorization { path: path.clone(), why: "no header can have it".to_owned() };
    value.map(Some).map_err(refused)
}
