//! One connection, whichever side opened it: packets in, packets out, and an eye on the peer.
//!
//! One task drives both halves: TLS would make two wait for each other anyway.
//! Promises: memory is bounded by what the side lets in; a silent peer ends the connection.
//! Must not know: methods, roles.

mod budget;
mod progress;
mod receive;
mod send;
mod watch;

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, WeakUnboundedSender};
use tokio::time::{Instant, timeout};

use super::packet::{GREETING_BYTES, PacketHead, PacketKind, VERSIONS, Violation};
use super::settings::NetSettings;
use crate::transport::Message;
use watch::{Seen, Verdict, Watch};

pub(super) use budget::{ALONE, Budget, CallPermit};
pub(super) use progress::Progress;

/// How long an ended connection may take to say so.
const GOODBYE: Duration = Duration::from_secs(1);

/// A packet to send.
pub(super) struct Packet {
    pub(super) kind: PacketKind,
    pub(super) call: u64,
    pub(super) message: Message,
    /// What it takes of budgets until it has left.
    pub(super) held: Option<(CallPermit, CallPermit)>,
}

impl Packet {
    /// A packet of no call.
    fn of(kind: PacketKind) -> Self {
        Self { kind, call: 0, message: Message::default(), held: None }
    }
}

/// What is queued for sending.
pub(super) enum Outgoing {
    /// A packet.
    Packet(Packet),
    /// The connection is to be cut here.
    Cut(&'static str),
}

/// What one side of a connection does with packets.
pub(super) trait Side: Sync {
    /// What it remembers of a message between its announcement and its arrival.
    type Expected: Send;

    /// A message comes; `None` if its bytes are not wanted.
    fn announced(&self, head: &PacketHead) -> Result<Option<Self::Expected>, Violation>;

    /// A message has arrived whole.
    fn arrived(&self, expected: Self::Expected, message: Message);

    /// A packet is about to leave; whether it still should.
    fn leaves(&self, packet: &Packet) -> bool;

    /// Whether one of the sides owes the other an answer.
    fn busy(&self) -> bool;
}

/// Why a connection ended.
#[derive(Debug, Error)]
pub(super) enum End {
    /// The peer closed it between two packets.
    #[error("the peer closed the connection")]
    ByPeer,
    /// This side uses the connection no more.
    #[error("the connection is not used any more")]
    Released,
    /// This side cut it.
    #[error("{0}")]
    Cut(&'static str),
    /// The network or TLS failed.
    #[error("the connection failed: {0}")]
    Failed(#[from] io::Error),
    /// The peer does not keep to the protocol.
    #[error(transparent)]
    Violated(#[from] Violation),
    /// The peer does not live, as far as can be seen.
    #[error("the peer is given up: {0}")]
    GivenUp(&'static str),
}

/// Drives a connection to its end.
pub(super) async fn drive<T, S>(
    stream: &mut T,
    side: &S,
    progress: &Progress,
    queue: (WeakUnboundedSender<Outgoing>, &mut UnboundedReceiver<Outgoing>),
    settings: &NetSettings,
) -> End
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Side,
{
    let (sender, receiver) = queue;
    let (read, write) = tokio::io::split(stream);
    tokio::select! {
        end = receive::receive(read, side, progress, &sender) => end,
        end = send::send(write, side, progress, receiver) => end,
        end = watch_peer(side, progress, &sender, settings) => end,
    }
}

async fn watch_peer<S: Side>(
    side: &S,
    progress: &Progress,
    queue: &WeakUnboundedSender<Outgoing>,
    settings: &NetSettings,
) -> End {
    let start = Instant::now();
    let mut watch = Watch::new(settings, Duration::ZERO);
    loop {
        tokio::time::sleep(watch.period()).await;
        let seen = Seen {
            received: progress.received.load(Ordering::Relaxed),
            sent: progress.sent.load(Ordering::Relaxed),
            sending: progress.sending.load(Ordering::Relaxed),
            busy: side.busy(),
        };
        match watch.look(start.elapsed(), seen) {
            Verdict::Fine => {}
            Verdict::Ask => {
                if let Some(queue) = queue.upgrade() {
                    let _ = queue.send(Outgoing::Packet(Packet::of(PacketKind::Ping)));
                }
            }
            Verdict::GivenUp(why) => return End::GivenUp(why),
        }
    }
}

/// Greets the peer and agrees on a version.
pub(super) async fn greet<T: AsyncRead + AsyncWrite + Unpin>(stream: &mut T) -> Result<u16, End> {
    stream.write_all(&VERSIONS.greeting()).await?;
    stream.flush().await?;
    let mut greeting = [0; GREETING_BYTES];
    stream.read_exact(&mut greeting).await?;
    Ok(VERSIONS.agree(greeting)?)
}

/// Tells the peer that nothing more comes, if it still listens.
pub(super) async fn say_goodbye<T: AsyncWrite + Unpin>(stream: &mut T) {
    // A peer that does not receive it notices the closed socket.
    let _ = timeout(GOODBYE, stream.shutdown()).await;
}
