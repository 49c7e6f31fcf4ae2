//! Where events are kept: a file, standard output, a webhook.
//!
//! Must not know: what lines say, when they are written.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use couronne_base::blocking::blocking;
use parking_lot::Mutex;

use super::file::AuditFile;
use super::webhook::AuditWebhook;

/// Where events are kept.
pub enum AuditOutput {
    /// A file that rotates.
    File(AuditFile),
    /// Standard output.
    StandardOutput,
    /// An HTTP server that takes them.
    Webhook(AuditWebhook),
}

/// An output in use.
pub(super) enum Sink {
    File(Arc<Mutex<AuditFile>>),
    StandardOutput,
    Webhook(AuditWebhook),
}

/// Why lines were not taken, for the log.
pub(super) type NotTaken = Box<dyn std::error::Error + Send + Sync>;

impl From<AuditOutput> for Sink {
    fn from(output: AuditOutput) -> Self {
        match output {
            AuditOutput::File(file) => Self::File(Arc::new(Mutex::new(file))),
            AuditOutput::StandardOutput => Self::StandardOutput,
            AuditOutput::Webhook(webhook) => Self::Webhook(webhook),
        }
    }
}

impl Sink {
    /// Writes whole lines. What was written goes from the front of `lines`, so that an attempt after an error goes on there.
    pub(super) async fn write(&self, lines: &mut Bytes) -> Result<(), NotTaken> {
        match self {
            Self::File(file) => {
                let (file, mut taken) = (Arc::clone(file), std::mem::take(lines));
                let (result, left) = blocking(move || (file.lock().append(&mut taken), taken)).await?;
                *lines = left;
                Ok(result?)
            }
            Self::StandardOutput => {
                let text = lines.clone();
                blocking(move || {
                    let mut output = std::io::stdout().lock();
                    output.write_all(&text).and_then(|()| output.flush())
                })
                .await??;
                lines.clear();
                Ok(())
            }
            Self::Webhook(webhook) => {
                webhook.send(lines.clone()).await?;
                lines.clear();
                Ok(())
            }
        }
    }
}
