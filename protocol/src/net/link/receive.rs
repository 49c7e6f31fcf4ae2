//! The receiving half of a connection: packets in, each announced before its bytes are kept.
//!
//! Promises: a head has memory of its own, a body an aligned buffer of its own; what nobody wants is
//! read and dropped.

use std::io;
use std::sync::atomic::Ordering;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc::WeakUnboundedSender;
use tokio::task::coop::consume_budget;

use super::{End, Outgoing, Packet, Progress, Side};
use crate::net::packet::{PACKET_HEAD_BYTES, PacketHead, PacketKind};
use crate::transport::Message;
use couronne_base::buffer::AlignedBuffer;

/// How much is read ahead of what is asked for. Bytes.
const AHEAD_BYTES: usize = 32 << 10;

/// Receives packets until the connection ends.
pub(super) async fn receive<R: AsyncRead + Unpin, S: Side>(
    read: R,
    side: &S,
    progress: &Progress,
    queue: &WeakUnboundedSender<Outgoing>,
) -> End {
    let mut incoming = Incoming { read, ahead: BytesMut::new() };
    loop {
        match incoming.packet(side).await {
            Ok(Some(PacketKind::Ping)) => {
                if let Some(queue) = queue.upgrade()
                    && !progress.pong.swap(true, Ordering::Relaxed)
                {
                    let _ = queue.send(Outgoing::Packet(Packet::of(PacketKind::Pong)));
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => return End::ByPeer,
            Err(end) => return end,
        }
    }
}

struct Incoming<R> {
    read: R,
    /// What was read and not yet looked at.
    ahead: BytesMut,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    /// The next packet, handed to `side`; `None` at the end.
    async fn packet<S: Side>(&mut self, side: &S) -> Result<Option<PacketKind>, End> {
        let Some(head) = self.packet_head().await? else { return Ok(None) };
        let head = PacketHead::decode(head)?;
        if matches!(head.kind, PacketKind::Ping | PacketKind::Pong) {
            return Ok(Some(head.kind));
        }
        match side.announced(&head)? {
            Some(expected) => {
                let message = Message { head: self.head(head.head_len).await?, body: self.body(head.body_len).await? };
                side.arrived(expected, message);
            }
            None => self.skip(head.message_len()).await?,
        }
        Ok(Some(head.kind))
    }

    async fn packet_head(&mut self) -> io::Result<Option<[u8; PACKET_HEAD_BYTES]>> {
        loop {
            if let Some(head) = self.ahead.first_chunk::<PACKET_HEAD_BYTES>() {
                let head = *head;
                self.ahead.advance(PACKET_HEAD_BYTES);
                return Ok(Some(head));
            }
            if self.fill().await? == 0 {
                return if self.ahead.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// A message's head. A value that shares a part of its memory keeps it alive, and nothing else.
    async fn head(&mut self, len: u32) -> io::Result<Bytes> {
        let mut head = Vec::with_capacity(len as usize);
        self.take(&mut head, len as usize).await?;
        Ok(head.into())
    }

    /// A message's body, where direct I/O can take it from.
    async fn body(&mut self, len: u32) -> io::Result<Bytes> {
        let mut body = AlignedBuffer::with_capacity(len as usize);
        self.take(&mut body, len as usize).await?;
        Ok(body.freeze())
    }

    /// The next `len` bytes, what was read ahead first.
    async fn take(&mut self, into: &mut impl bytes::BufMut, len: usize) -> io::Result<()> {
        let here = self.ahead.len().min(len);
        into.put_slice(self.ahead.get(..here).unwrap_or_default());
        self.ahead.advance(here);
        let mut missing = len.saturating_sub(here);
        while missing > 0 {
            consume_budget().await;
            let count = self.read.read_buf(&mut (&mut *into).limit(missing)).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            missing = missing.saturating_sub(count);
        }
        Ok(())
    }

    async fn skip(&mut self, len: usize) -> io::Result<()> {
        let mut missing = len;
        loop {
            let here = self.ahead.len().min(missing);
            self.ahead.advance(here);
            missing = missing.saturating_sub(here);
            if missing == 0 {
                return Ok(());
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        consume_budget().await;
        self.ahead.reserve(AHEAD_BYTES);
        self.read.read_buf(&mut self.ahead).await
    }
}
