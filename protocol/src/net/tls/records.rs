//! Records of TLS 1.3 (RFC 8446, section 5) after the handshake: sealed from where their bytes lie into where they
//! are sent from, opened from where they were received into where they are wanted, without a copy between.
//!
//! rustls has done the handshake and derives all keys, aws-lc seals and opens; here is what a record looks like.
//! Promises: no two records are sealed with one key and nonce; nothing is taken that does not verify.
//! Must not know: sockets, what records carry.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::{ConnectionTrafficSecrets, Error, InvalidMessage};

/// The most plain bytes in a record.
pub(super) const PLAIN_BYTES_MAX: usize = 1 << 14;

/// Bytes in front of a sealed record: its type, a version that means nothing, the length of what follows.
pub(super) const HEAD_BYTES: usize = 5;

/// Bytes by which a record is longer than what it carries.
pub(super) const EXTRA_BYTES: usize = HEAD_BYTES + KIND_BYTES + TAG_BYTES;

const KIND_BYTES: usize = 1;
const TAG_BYTES: usize = 16;

/// The most bytes behind a head, as the RFC allows: there may be padding.
const SEALED_BYTES_MAX: usize = PLAIN_BYTES_MAX + 256;

/// What a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentType {
    Alert = 21,
    Handshake = 22,
    Data = 23,
}

/// Keys of one direction, from a number of record on.
pub(super) type Secrets = (u64, ConnectionTrafficSecrets);

/// Seals or opens the records of one direction.
pub(super) struct Keys {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    /// Of the next record.
    number: u64,
}

/// The length of a record, its head included, once that has come; an error if none begins there.
pub(super) fn record_len(received: &[u8]) -> Result<Option<usize>, Error> {
    let Some([kind, _, _, high, low]) = received.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    if *kind != ContentType::Data as u8 {
        return Err(InvalidMessage::InvalidContentType.into());
    }
    if !(KIND_BYTES + TAG_BYTES..=SEALED_BYTES_MAX).contains(&len) {
        return Err(Error::PeerSentOversizedRecord);
    }
    Ok(Some(HEAD_BYTES + len))
}

impl Keys {
    pub(super) fn new((number, secrets): Secrets) -> Result<Self, Error> {
        let (algorithm, key, iv) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(Error::General("keys of an unknown cipher".to_owned())),
        };
        let key = UnboundKey::new(algorithm, key.as_ref()).map_err(|_| Error::EncryptError)?;
        let iv = iv.as_ref().try_into().map_err(|_| Error::EncryptError)?;
        Ok(Self { key: LessSafeKey::new(key), iv, number })
    }

    /// How many records were sealed or opened with these.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Of the next record: its number, padded to the left, over the initial value (RFC 8446, section 5.3).
    fn nonce(&mut self) -> Result<Nonce, Error> {
        let mut nonce = self.iv;
        for (byte, of_number) in nonce.iter_mut().skip(NONCE_LEN - size_of::<u64>()).zip(self.number.to_be_bytes()) {
            *byte ^= of_number;
        }
        self.number = self.number.checked_add(1).ok_or(Error::EncryptError)?;
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    /// Seals a record at the start of `room`, which takes [`EXTRA_BYTES`] more than `plain` has, at least.
    /// Returns how long the record is.
    pub(super) fn seal(&mut self, kind: ContentType, plain: &[u8], room: &mut [u8]) -> Result<usize, Error> {
        let behind = plain.len() + KIND_BYTES + TAG_BYTES;
        let len = u16::try_from(behind).map_err(|_| Error::EncryptError)?;
        let (head, sealed) = room.split_first_chunk_mut::<HEAD_BYTES>().ok_or(Error::EncryptError)?;
        let [high, low] = len.to_be_bytes();
        *head = [ContentType::Data as u8, 3, 3, high, low];
        let (sealed, _) = sealed.split_at_mut_checked(behind).ok_or(Error::EncryptError)?;
        let (sealed, tail) = sealed.split_at_mut_checked(plain.len()).ok_or(Error::EncryptError)?;
        let nonce = self.nonce()?;
        let sealing = self.key.seal_out_of_place_scatter(nonce, Aad::from(*head), plain, sealed, &[kind as u8], tail);
        sealing.map_err(|_| Error::EncryptError)?;
        Ok(HEAD_BYTES + behind)
    }

    /// Opens a whole record into the start of `room`, which is as long as the record, at least; without one, where it
    /// lies, behind its head. Returns what it carries.
    pub(super) fn open<'a>(
        &mut self,
        record: &'a mut [u8],
        room: Option<&'a mut [u8]>,
    ) -> Result<(ContentType, &'a [u8]), Error> {
        let (head, sealed) = record.split_first_chunk_mut::<HEAD_BYTES>().ok_or(Error::DecryptError)?;
        let split = sealed.len().checked_sub(TAG_BYTES).and_then(|len| sealed.split_at_mut_checked(len));
        let (sealed, tag) = split.ok_or(Error::DecryptError)?;
        let (nonce, head) = (self.nonce()?, Aad::from(*head));
        let opened = match room {
            Some(room) => {
                let room = room.get_mut(..sealed.len()).ok_or(Error::DecryptError)?;
                self.key.open_separate_gather(nonce, head, sealed, tag, room).map(|()| room)
            }
            None => self.key.open_in_place_separate_tag(nonce, head, tag, sealed),
        };
        unpadded(opened.map_err(|_| Error::DecryptError)?)
    }
}

/// What a record carries: its kind is the last byte that is not zero (RFC 8446, section 5.4).
fn unpadded(opened: &[u8]) -> Result<(ContentType, &[u8]), Error> {
    let at = opened.iter().rposition(|byte| *byte != 0).ok_or(InvalidMessage::InvalidContentType)?;
    let (plain, rest) = opened.split_at(at);
    let kind = match rest.first() {
        Some(21) => ContentType::Alert,
        Some(22) => ContentType::Handshake,
        Some(23) => ContentType::Data,
        _ => return Err(InvalidMessage::InvalidContentType.into()),
    };
    if plain.len() > PLAIN_BYTES_MAX {
        return Err(Error::PeerSentOversizedRecord);
    }
    Ok((kind, plain))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustls::crypto::cipher::{AeadKey, Iv};

    use super::*;

    fn keys(first: u64) -> Keys {
        let (key, iv) = (AeadKey::from([9; 32]), Iv::from([5; NONCE_LEN]));
        Keys::new((first, ConnectionTrafficSecrets::Aes256Gcm { key, iv })).unwrap()
    }

    fn sealed(keys: &mut Keys, kind: ContentType, plain: &[u8]) -> Vec<u8> {
        let mut room = vec![0; plain.len() + EXTRA_BYTES];
        assert_eq!(keys.seal(kind, plain, &mut room), Ok(room.len()));
        room
    }

    proptest! {
        #[test]
        fn what_was_sealed_is_opened_in_order_and_changed_by_nobody(
            plains in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 1..5),
            is_direct: bool,
            changed: prop::sample::Index,
            bit in 0u8..8,
        ) {
            let (mut sealing, mut opening) = (keys(7), keys(7));
            for plain in plains {
                let mut record = sealed(&mut sealing, ContentType::Data, &plain);
                prop_assert_eq!(record_len(&record), Ok(Some(record.len())));
                let mut bad = record.clone();
                bad[changed.index(record.len())] ^= 1 << bit;
                prop_assert!(keys(opening.number()).open(&mut bad, None).is_err());
                let mut room = vec![0; record.len()];
                let opened = opening.open(&mut record, is_direct.then_some(&mut room[..]));
                prop_assert_eq!(opened, Ok((ContentType::Data, &plain[..])));
                if is_direct {
                    prop_assert_eq!(&room[..plain.len()], &plain[..]);
                }
            }
        }

        #[test]
        fn any_bytes_are_a_record_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(Some(len)) = record_len(&bytes) {
                prop_assert!((EXTRA_BYTES..=HEAD_BYTES + SEALED_BYTES_MAX).contains(&len));
            }
            prop_assert!(keys(0).open(&mut bytes, None).is_err());
        }
    }

    #[test]
    fn numbers_and_kinds_are_sealed_too() {
        let mut sealing = keys(0);
        let mut first = sealed(&mut sealing, ContentType::Alert, &[1, 0]);
        let second = sealed(&mut sealing, ContentType::Alert, &[1, 0]);
        assert_ne!(first, second, "no nonce twice");
        assert!(keys(0).open(&mut second.clone(), None).is_err(), "one is missing");
        assert_eq!(keys(0).open(&mut first, None), Ok((ContentType::Alert, &[1, 0][..])));
        assert_eq!(sealing.number(), 2);
        assert!(keys(u64::MAX).seal(ContentType::Data, b"", &mut [0; EXTRA_BYTES]).is_err());
        assert!(keys(0).seal(ContentType::Data, b"longer", &mut [0; EXTRA_BYTES]).is_err());
        let mut record = sealed(&mut keys(0), ContentType::Data, b"longer");
        assert!(keys(0).open(&mut record, Some(&mut [0; 6])).is_err(), "its kind has no room");
    }

    #[test]
    fn padding_is_dropped_and_records_have_a_kind() {
        assert_eq!(unpadded(&[4, 5, 0, 23, 0, 0]), Ok((ContentType::Data, &[4, 5, 0][..])));
        assert_eq!(unpadded(&[22]), Ok((ContentType::Handshake, &[][..])));
        for none in [&[0, 0][..], &[], &[4, 20], &[4, 24, 0]] {
            assert!(unpadded(none).is_err(), "{none:?}");
        }
        assert!(unpadded(&[23; PLAIN_BYTES_MAX + 1]).is_ok());
        assert!(unpadded(&[23; PLAIN_BYTES_MAX + 2]).is_err());
    }
}
