//! What peers say in records besides their data: that nothing more comes, that something is wrong, that keys are
//! renewed (RFC 8446, sections 4.6 and 6).
//!
//! Must not know: keys, records.

use rustls::{AlertDescription, Error, InvalidMessage};

const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;

/// Says that this side's next record is sealed with the next key, and asks for nothing.
pub(super) const RENEWED: [u8; 5] = [KEY_UPDATE, 0, 0, 1, 0];

/// Says that nothing more comes.
pub(super) const CLOSE_NOTIFY: [u8; 2] = [1, 0];

/// Whether the peer says that nothing more comes; an error if it says that something is wrong.
pub(super) fn says_end(alert: &[u8]) -> Result<bool, Error> {
    match alert {
        [_, 0] => Ok(true),
        // Its user cancelled something, and it will say that nothing more comes.
        [_, 90] => Ok(false),
        [_, why] => Err(Error::AlertReceived(AlertDescription::from(*why))),
        _ => Err(InvalidMessage::InvalidEmptyPayload.into()),
    }
}

/// Whether the peer has renewed its keys, and whether this side is to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyUpdate {
    pub(super) is_renewed: bool,
    pub(super) is_asked_for: bool,
}

/// Reads the messages of a handshake that come after it. Tickets are not used; a renewal is the last of its record,
/// and all messages are whole: rustls sends no others.
pub(super) fn key_update(mut messages: &[u8]) -> Result<KeyUpdate, Error> {
    while let [kind, high, middle, low, rest @ ..] = messages {
        let len = usize::try_from(u32::from_be_bytes([0, *high, *middle, *low])).unwrap_or(usize::MAX);
        let (message, next) = rest.split_at_checked(len).ok_or(InvalidMessage::MessageTooShort)?;
        match (*kind, message, next) {
            (NEW_SESSION_TICKET, ..) => messages = next,
            (KEY_UPDATE, [asked @ (0 | 1)], []) => {
                return Ok(KeyUpdate { is_renewed: true, is_asked_for: *asked == 1 });
            }
            (KEY_UPDATE, ..) => return Err(InvalidMessage::InvalidKeyUpdate.into()),
            _ => return Err(InvalidMessage::UnexpectedMessage("after the handshake").into()),
        }
    }
    if messages.is_empty() { Ok(KeyUpdate::default()) } else { Err(InvalidMessage::MessageTooShort.into()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_after_a_handshake() {
        let nothing = KeyUpdate::default();
        let renewed = KeyUpdate { is_renewed: true, ..nothing };
        let ticket = [NEW_SESSION_TICKET, 0, 0, 3, 1, 2, 3];
        assert_eq!(key_update(&[]), Ok(nothing));
        assert_eq!(key_update(&ticket), Ok(nothing));
        assert_eq!(key_update(&RENEWED), Ok(renewed));
        assert_eq!(key_update(&[&ticket[..], &RENEWED].concat()), Ok(renewed));
        assert_eq!(key_update(&[24, 0, 0, 1, 1]), Ok(KeyUpdate { is_renewed: true, is_asked_for: true }));
        let followed = [&RENEWED[..], &ticket].concat();
        for bad in
            [&[24, 0, 0, 1, 2][..], &[24, 0, 0, 0], &[24, 0, 0, 2, 0, 0], &[4, 0, 0, 1], &[1, 0, 0, 0], &followed]
        {
            assert!(key_update(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn alerts() {
        assert_eq!(says_end(&CLOSE_NOTIFY), Ok(true));
        assert_eq!(says_end(&[1, 90]), Ok(false));
        assert_eq!(says_end(&[2, 42]), Err(Error::AlertReceived(AlertDescription::BadCertificate)));
        assert!(says_end(&[1]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_understood_or_refused(bytes in prop::collection::vec(0u8..30, 0..40)) {
            let _ = (key_update(&bytes), says_end(&bytes));
        }
    }
}
