//! The encodings of joining: golden bytes, made by another program than ours, round trips, and bytes of ill will.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use bytes::Bytes;
use couronne_cluster::Role;
use couronne_protocol::join::{Admission, JoinRequest, NotAdmitted, decode_answer, encode_answer};
use couronne_ring::{DriveId, NodeId};
use proptest::prelude::*;
use zeroize::Zeroizing;

const JOIN_REQUEST: &str = "01010105021006060606060606060606060606060606030101040363737205026e3206076e323a393130300706726567\
    696f6e08047a6f6e65091501100000000000000000000000000000000a0201280a026368";

const ADMISSION: &str = "010134011000000000000000000000000000000002020b63657274696669636174650309617574686f7269747904036d\
    617005036b6579";

const NOT_ADMITTED: &str = "0102026e6f";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Bytes {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect::<Vec<u8>>().into()
}

fn request() -> JoinRequest {
    JoinRequest {
        id: 5,
        secret: Zeroizing::new([6; 16]),
        role: Role::StorageNode,
        request: Bytes::from_static(b"csr"),
        name: "n2".to_owned(),
        address: "n2:9100".to_owned(),
        region: "region".to_owned(),
        zone: "zone".to_owned(),
        drives: vec![(DriveId(10), 40)],
        challenge: Bytes::from_static(b"ch"),
    }
}

#[test]
fn joining_is_encoded_as_fixed() {
    let request = request();
    assert_eq!(hex(&request.encode()), JOIN_REQUEST);
    assert_eq!(hex(&JoinRequest::decode(bytes(JOIN_REQUEST)).unwrap().encode()), JOIN_REQUEST);
    let admission = Admission {
        node: NodeId(2),
        certificate: Bytes::from_static(b"certificate"),
        authority: Bytes::from_static(b"authority"),
        map: Bytes::from_static(b"map"),
        cluster_keys: vec![Bytes::from_static(b"key")],
    };
    assert_eq!(hex(&encode_answer(&Ok(admission.clone()))), ADMISSION);
    assert_eq!(decode_answer(bytes(ADMISSION)).unwrap(), Ok(admission));
    let refusal = Err(NotAdmitted("no".to_owned()));
    assert_eq!(hex(&encode_answer(&refusal)), NOT_ADMITTED);
    assert_eq!(decode_answer(bytes(NOT_ADMITTED)).unwrap(), refusal);
}

#[test]
fn a_request_with_too_many_drives_is_refused() {
    let drives = |count: u128| (0..count).map(|number| (DriveId(number), 1)).collect();
    assert!(JoinRequest::decode(JoinRequest { drives: drives(1024), ..request() }.encode()).is_ok());
    assert!(JoinRequest::decode(JoinRequest { drives: drives(1025), ..request() }.encode()).is_err());
    assert!(JoinRequest::decode(JoinRequest { role: Role::Unjoined, ..request() }.encode()).is_err());
}

#[test]
fn what_is_cut_off_is_refused() {
    let whole = request().encode();
    for len in 0..whole.len() {
        assert!(JoinRequest::decode(whole.slice(..len)).is_err(), "{len} bytes");
    }
    for answer in [ADMISSION, NOT_ADMITTED].map(bytes) {
        for len in 0..answer.len() {
            assert!(decode_answer(answer.slice(..len)).is_err(), "{len} bytes");
        }
    }
}

/// Whatever decodes is what its own encoding says.
fn try_all(bytes: Bytes) -> Result<(), TestCaseError> {
    if let Ok(request) = JoinRequest::decode(bytes.clone()) {
        let encoded = request.encode();
        let again = JoinRequest::decode(encoded.clone()).map(|request| request.encode());
        prop_assert_eq!(again.ok(), Some(encoded));
    }
    if let Ok(answer) = decode_answer(bytes) {
        prop_assert_eq!(decode_answer(encode_answer(&answer)), Ok(answer));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests_and_answers_come_back(
        id: u64,
        secret: [u8; 16],
        texts: [String; 4],
        drives in prop::collection::vec((any::<u128>(), any::<u32>()), 0..5),
        reason: String,
    ) {
        let [name, address, region, zone] = texts;
        let drives: Vec<_> = drives.into_iter().map(|(drive, weight)| (DriveId(drive), weight)).collect();
        let sent = JoinRequest { id, secret: Zeroizing::new(secret), name, address, region, zone, drives, ..request() };
        let request = JoinRequest::decode(sent.encode()).unwrap();
        prop_assert_eq!((request.id, *request.secret, request.role), (sent.id, *sent.secret, sent.role));
        prop_assert_eq!((request.request, request.name), (sent.request, sent.name));
        prop_assert_eq!((request.address, request.region), (sent.address, sent.region));
        prop_assert_eq!((request.zone, request.drives), (sent.zone, sent.drives));
        let refusal = Err(NotAdmitted(reason));
        prop_assert_eq!(decode_answer(encode_answer(&refusal)), Ok(refusal));
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        try_all([&[1], &bytes[..]].concat().into())?;
        try_all(bytes.into())?;
    }

    #[test]
    fn altered_bytes_are_a_value_or_an_error(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for golden in [JOIN_REQUEST, ADMISSION, NOT_ADMITTED] {
            let mut bytes = bytes(golden).to_vec();
            changes.iter().for_each(|(at, value)| *at.get_mut(&mut bytes) = *value);
            try_all(bytes.into())?;
        }
    }
}
