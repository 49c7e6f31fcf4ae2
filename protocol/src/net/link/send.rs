//! The sending half of a connection: packets out, small ones that wait together in one write.

use std::io;
use std::sync::atomic::Ordering;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{End, Outgoing, Packet, Progress, Side};
use crate::net::packet::{PacketHead, PacketKind};

/// Pieces up to this are copied together; longer ones are sent from where they lie. Bytes.
const COPIED_BYTES_MAX: usize = 16 << 10;
/// So much is gathered before it is written. Bytes.
const GATHERED_BYTES_MAX: usize = 64 << 10;

/// Sends what is queued until the queue or the connection ends.
pub(super) async fn send<W: AsyncWrite + Unpin, S: Side>(
    write: W,
    side: &S,
    progress: &Progress,
    queue: &mut UnboundedReceiver<Outgoing>,
) -> End {
    let mut sender = Sender { write, gathered: Vec::new() };
    // Packets count as under way until the kernel has them.
    let mut leaving = Vec::new();
    loop {
        let Some(mut next) = queue.recv().await else { return End::Released };
        progress.sending.store(true, Ordering::Relaxed);
        loop {
            let packet = match next {
                Outgoing::Packet(packet) => packet,
                Outgoing::Cut(why) => return End::Cut(why),
            };
            if packet.kind == PacketKind::Pong {
                progress.pong.store(false, Ordering::Relaxed);
            }
            if side.leaves(&packet) {
                if let Err(error) = sender.packet(&packet).await {
                    return error.into();
                }
                leaving.push(packet.held);
            }
            match queue.try_recv() {
                Ok(packet) => next = packet,
                Err(_) => break,
            }
        }
        if let Err(error) = sender.flush().await {
            return error.into();
        }
        leaving.clear();
        progress.sending.store(false, Ordering::Relaxed);
    }
}

struct Sender<W> {
    write: W,
    /// Small pieces that wait to be written together.
    gathered: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> Sender<W> {
    async fn packet(&mut self, packet: &Packet) -> io::Result<()> {
        let too_long = |_| io::Error::other("message too long");
        let message = &packet.message;
        let head = PacketHead {
            kind: packet.kind,
            call: packet.call,
            head_len: u32::try_from(message.head.len()).map_err(too_long)?,
            body_len: u32::try_from(message.body.len()).map_err(too_long)?,
        };
        self.gathered.extend_from_slice(&head.encode());
        self.piece(&message.head).await?;
        self.piece(&message.body).await
    }

    async fn piece(&mut self, piece: &Bytes) -> io::Result<()> {
        if piece.len() > COPIED_BYTES_MAX {
            let mut both = self.gathered.as_slice().chain(piece.as_ref());
            self.write.write_all_buf(&mut both).await?;
            self.gathered.clear();
            return Ok(());
        }
        self.gathered.extend_from_slice(piece);
        if self.gathered.len() >= GATHERED_BYTES_MAX {
            self.write.write_all(&self.gathered).await?;
            self.gathered.clear();
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.gathered.is_empty() {
            self.write.write_all(&self.gathered).await?;
            self.gathered.clear();
        }
        self.write.flush().await
    }
}
