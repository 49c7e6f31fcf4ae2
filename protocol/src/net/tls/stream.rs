//! A connection after its handshake: bytes in, bytes out, in records.
//!
//! Promises: bytes are sealed out of where the caller has them, and opened into where they are wanted if a whole
//! record fits there; few system calls while much passes, little memory while little does; keys are renewed before
//! they are used up; an end that the peer did not announce is an error.
//! Must not know: what the bytes mean.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::Error;
use rustls::kernel::KernelConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::control::{CLOSE_NOTIFY, RENEWED, key_update, says_end};
use super::record_buffer::RecordBuffer;
use super::records::{ContentType, EXTRA_BYTES, HEAD_BYTES, Keys, PLAIN_BYTES_MAX, Secrets, record_len};
use crate::net::link::Progress;

/// Where the next keys come from.
pub(super) trait Rekey: Send {
    fn sealing(&mut self) -> Result<Secrets, Error>;
    fn opening(&mut self) -> Result<Secrets, Error>;
}

impl<D: Send> Rekey for KernelConnection<D> {
    fn sealing(&mut self) -> Result<Secrets, Error> {
        self.update_tx_secret()
    }

    fn opening(&mut self) -> Result<Secrets, Error> {
        self.update_rx_secret()
    }
}

/// What tokio calls an error of TLS.
pub(super) fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// A socket with TLS.
pub(in crate::net) struct TlsStream<S> {
    socket: S,
    progress: Arc<Progress>,
    rekey: Box<dyn Rekey>,
    opening: Keys,
    received: RecordBuffer,
    /// What was opened where it was received, and is read next.
    opened: Range<usize>,
    /// Whether the peer has said that nothing more comes.
    is_ended: bool,
    sealing: Keys,
    sealed: RecordBuffer,
    records_a_key_max: u64,
    /// Whether the peer wants this side to renew its keys.
    is_renewal_due: bool,
    /// Whether this side has said that nothing more comes.
    is_closed: bool,
}

impl<S> TlsStream<S> {
    /// Goes on after a handshake that left such bytes behind, opened and received.
    pub(super) fn new(
        socket: S,
        (opened, received): (&[u8], &[u8]),
        (sealing, opening): (Secrets, Secrets),
        rekey: Box<dyn Rekey>,
        records_a_key_max: u64,
    ) -> Result<Self, Error> {
        let mut left = RecordBuffer::new();
        left.make(opened.len() + received.len());
        for bytes in [opened, received] {
            left.spare().get_mut(..bytes.len()).unwrap_or_default().copy_from_slice(bytes);
            left.add(bytes.len());
        }
        Ok(Self {
            socket,
            progress: Arc::default(),
            rekey,
            opening: Keys::new(opening)?,
            opened: left.take(opened.len()),
            received: left,
            is_ended: false,
            sealing: Keys::new(sealing)?,
            sealed: RecordBuffer::new(),
            records_a_key_max,
            is_renewal_due: false,
            is_closed: false,
        })
    }

    pub(in crate::net) fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// Moves what is here into `out`, opening whole records. Returns whether there was anything.
    fn take(&mut self, out: &mut ReadBuf<'_>) -> Result<bool, Error> {
        let before = out.filled().len();
        while out.remaining() > 0 {
            if self.opened.is_empty() {
                match record_len(self.received.waiting())? {
                    Some(len) if len <= self.received.waiting().len() && !self.is_ended => self.open(len, out)?,
                    _ => break,
                }
            }
            let count = self.opened.len().min(out.remaining());
            let rest = self.opened.start.saturating_add(count);
            out.put_slice(self.received.at(self.opened.start..rest));
            self.opened.start = rest;
        }
        Ok(out.filled().len() > before)
    }

    /// Opens the first record that waits, which is so long: into `out` if it fits there.
    fn open(&mut self, len: usize, out: &mut ReadBuf<'_>) -> Result<(), Error> {
        let place = self.received.take(len);
        let fits = out.remaining() >= len;
        // SAFETY: aws-lc reads nothing there, and only what it wrote and verified is counted as written below.
        let room = fits.then(|| unsafe { &mut *(ptr::from_mut(out.unfilled_mut()) as *mut [u8]) });
        let (kind, plain) = self.opening.open(self.received.at(place.clone()), room)?;
        match kind {
            ContentType::Data => {
                let count = plain.len();
                if fits {
                    // SAFETY: it was opened into the start of the room that there was.
                    unsafe { out.assume_init(count) };
                    out.advance(count);
                } else {
                    let start = place.start.saturating_add(HEAD_BYTES);
                    self.opened = start..start.saturating_add(count);
                }
            }
            ContentType::Alert => self.is_ended = says_end(plain)?,
            ContentType::Handshake => {
                let update = key_update(plain)?;
                if update.is_renewed {
                    self.opening = Keys::new(self.rekey.opening()?)?;
                }
                self.is_renewal_due |= update.is_asked_for;
            }
        }
        Ok(())
    }

    /// Seals as much as goes into one system call, each slice in records of its own. Returns how much that is.
    fn seal(&mut self, slices: &[io::IoSlice<'_>]) -> Result<usize, Error> {
        let record_and_renewal = |plain: usize| plain + RENEWED.len() + 2 * EXTRA_BYTES;
        let all: usize = slices.iter().map(|slice| slice.len()).sum();
        self.sealed.learn(record_and_renewal(all) + (all / PLAIN_BYTES_MAX + slices.len()) * EXTRA_BYTES);
        self.sealed.make(record_and_renewal(all.min(PLAIN_BYTES_MAX)));
        let mut count = 0;
        for plain in slices.iter().flat_map(|slice| slice.chunks(PLAIN_BYTES_MAX)) {
            if self.sealed.spare().len() < record_and_renewal(plain.len()) {
                break;
            }
            if self.is_renewal_due || self.sealing.number() >= self.records_a_key_max {
                self.seal_one(ContentType::Handshake, &RENEWED)?;
                self.sealing = Keys::new(self.rekey.sealing()?)?;
                self.is_renewal_due = false;
            }
            self.seal_one(ContentType::Data, plain)?;
            count += plain.len();
        }
        Ok(count)
    }

    fn seal_one(&mut self, kind: ContentType, plain: &[u8]) -> Result<(), Error> {
        let len = self.sealing.seal(kind, plain, self.sealed.spare())?;
        self.sealed.add(len);
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while !this.take(out).map_err(invalid)? && !this.is_ended && out.remaining() > 0 {
            this.received.make(record_len(this.received.waiting()).map_err(invalid)?.unwrap_or(0));
            let mut into = ReadBuf::new(this.received.spare());
            ready!(Pin::new(&mut this.socket).poll_read(cx, &mut into))?;
            let (count, is_full) = (into.filled().len(), into.remaining() == 0);
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            this.received.add(count);
            this.received.learn(if is_full { count.saturating_mul(2) } else { count });
            this.progress.received(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> TlsStream<S> {
    /// Sends all that is sealed.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.sealed.waiting().is_empty() {
            let count = ready!(Pin::new(&mut self.socket).poll_write(cx, self.sealed.waiting()))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sealed.take(count);
            self.progress.sent(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        let count = this.seal(slices).map_err(invalid)?;
        // What does not leave now leaves with the next bytes, or when these are flushed.
        match this.poll_send(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(count)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        if !this.is_closed {
            this.is_closed = true;
            this.sealed.make(EXTRA_BYTES + CLOSE_NOTIFY.len());
            this.seal_one(ContentType::Alert, &CLOSE_NOTIFY).map_err(invalid)?;
            ready!(this.poll_send(cx))?;
        }
        Pin::new(&mut this.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf;
    use proptest::prelude::*;
    use rustls::ConnectionTrafficSecrets;
    use rustls::crypto::cipher::{AeadKey, Iv};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    /// Says that the next record is sealed with the next key, and asks for the same.
    const ASK_TO_RENEW: [u8; 5] = [24, 0, 0, 1, 1];

    /// Keys by number, for either direction.
    #[derive(Default)]
    struct Numbered(u8, u8);

    fn secrets(number: &mut u8) -> Secrets {
        *number += 1;
        (0, ConnectionTrafficSecrets::Aes256Gcm { key: AeadKey::from([*number; 32]), iv: Iv::from([*number; 12]) })
    }

    impl Rekey for Numbered {
        fn sealing(&mut self) -> Result<Secrets, Error> {
            Ok(secrets(&mut self.0))
        }

        fn opening(&mut self) -> Result<Secrets, Error> {
            Ok(secrets(&mut self.1))
        }
    }

    fn stream(socket: DuplexStream, left: (&[u8], &[u8]), records_a_key_max: u64) -> TlsStream<DuplexStream> {
        let mut keys = Numbered::default();
        let first = (keys.sealing().unwrap(), keys.opening().unwrap());
        TlsStream::new(socket, left, first, Box::new(keys), records_a_key_max).unwrap()
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    /// Bytes that differ from place to place.
    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at ^ (at >> 8)) as u8).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However they are written and read, and whatever the socket takes at a time.
        #[test]
        fn bytes_come_through_whole(
            pieces in prop::collection::vec((0usize..300, 0usize..40_000), 1..6),
            reads in prop::collection::vec(1usize..50_000, 1..6),
            socket_bytes in 1000usize..400_000,
            records_a_key_max in 1u64..6,
        ) {
            let (near, far) = tokio::io::duplex(socket_bytes);
            let (mut near, mut far) = (stream(near, (b"", b""), records_a_key_max), stream(far, (b"", b""), 3));
            let sent = pattern(pieces.iter().map(|(head, body)| head + body).sum());
            let write = async {
                let mut rest = &sent[..];
                for (head, body) in pieces {
                    let mut both = Buf::chain(&rest[..head], &rest[head..head + body]);
                    near.write_all_buf(&mut both).await.unwrap();
                    rest = &rest[head + body..];
                }
                near.shutdown().await.unwrap();
            };
            let read = async {
                let mut got = Vec::new();
                for size in reads.iter().cycle() {
                    let mut bytes = vec![0; *size];
                    let count = far.read(&mut bytes).await.unwrap();
                    if count == 0 {
                        break;
                    }
                    got.extend_from_slice(&bytes[..count]);
                }
                got
            };
            let (_, got) = now(async { tokio::join!(write, read) });
            prop_assert!(got == sent);
            // One more record says that the next key follows, or that nothing does.
            prop_assert!(near.sealing.number() <= records_a_key_max + 1, "{}", near.sealing.number());
        }
    }

    #[test]
    fn what_a_handshake_left_is_read_first() {
        now(async {
            let (near, far) = tokio::io::duplex(100_000);
            let mut sealing = Keys::new(secrets(&mut 0)).unwrap();
            let mut record = vec![0; 5 + EXTRA_BYTES];
            sealing.seal(ContentType::Data, b"later", &mut record).unwrap();
            let (here, to_come) = record.split_at(7);
            let mut near = stream(near, (b"early ", here), 9);
            let mut far = far;
            far.write_all(to_come).await.unwrap();
            let mut got = [0; 11];
            near.read_exact(&mut got).await.unwrap();
            assert_eq!(&got, b"early later");
        });
    }

    #[test]
    fn one_that_is_asked_renews_its_keys() {
        now(async {
            let (near, far) = tokio::io::duplex(100_000);
            let (mut near, mut far) = (stream(near, (b"", b""), 9), stream(far, (b"", b""), 9));
            near.sealed.make(100);
            near.seal_one(ContentType::Handshake, &ASK_TO_RENEW).unwrap();
            near.sealing = Keys::new(near.rekey.sealing().unwrap()).unwrap();
            near.write_all(b"question").await.unwrap();
            far.read_exact(&mut [0; 8]).await.unwrap();
            far.write_all(b"answer").await.unwrap();
            let mut got = [0; 6];
            near.read_exact(&mut got).await.unwrap();
            assert_eq!((&got, near.opening.number(), far.sealing.number()), (b"answer", 1, 1));
            far.write_all(b"answer").await.unwrap();
            assert_eq!(far.sealing.number(), 2, "it was asked once");
        });
    }

    #[test]
    fn an_end_that_was_not_announced_is_an_error() {
        now(async {
            let (near, far) = tokio::io::duplex(100_000);
            let (mut near, mut far) = (stream(near, (b"", b""), 9), stream(far, (b"", b""), 9));
            near.write_all(b"bytes").await.unwrap();
            drop(near);
            far.read_exact(&mut [0; 5]).await.unwrap();
            assert_eq!(far.read(&mut [0; 5]).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        });
    }
}
