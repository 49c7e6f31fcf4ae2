//! The encodings of joining. Golden bytes as released, made by another program than ours.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use bytes::Bytes;
use couronne_cluster::Role;
use couronne_protocol::join::{Admission, JoinRequest, NotAdmitted, decode_answer, encode_answer};
use couronne_ring::{DriveId, NodeId};
use zeroize::Zeroizing;

const JOIN_REQUEST: &str = "010000000000000005060606060606060606060606060606060100000003637372000000026e32000000076e323a3931\
    303000000006726567696f6e000000047a6f6e65000000010000000000000000000000000000000a00000028";

const ADMISSION: &str = "0101000000000000000000000000000000020000000b636572746966696361746500000009617574686f726974790000\
    00036d6170";

const NOT_ADMITTED: &str = "0100000000026e6f";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Bytes {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect::<Vec<u8>>().into()
}

#[test]
fn joining_is_encoded_as_released() {
    let request = JoinRequest {
        id: 5,
        secret: Zeroizing::new([6; 16]),
        role: Role::StorageNode,
        request: Bytes::from_static(b"csr"),
        name: "n2".to_owned(),
        address: "n2:9100".to_owned(),
        region: "region".to_owned(),
        zone: "zone".to_owned(),
        drives: vec![(DriveId(10), 40)],
    };
    assert_eq!(hex(&request.encode()), JOIN_REQUEST);
    assert_eq!(hex(&JoinRequest::decode(bytes(JOIN_REQUEST)).unwrap().encode()), JOIN_REQUEST);
    let admission = Admission {
        node: NodeId(2),
        certificate: Bytes::from_static(b"certificate"),
        authority: Bytes::from_static(b"authority"),
        map: Bytes::from_static(b"map"),
    };
    assert_eq!(hex(&encode_answer(&Ok(admission.clone()))), ADMISSION);
    assert_eq!(decode_answer(bytes(ADMISSION)).unwrap(), Ok(admission));
    let refusal = Err(NotAdmitted("no".to_owned()));
    assert_eq!(hex(&encode_answer(&refusal)), NOT_ADMITTED);
    assert_eq!(decode_answer(bytes(NOT_ADMITTED)).unwrap(), refusal);
}
