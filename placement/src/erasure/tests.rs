//! The code against its oracle, for every geometry.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use bytes::Bytes;

use super::codec::{Codec, Wanted};
use super::portable;
use crate::geometry::{Geometry, SHARDS_MAX};

/// Bytes without a pattern, the same at every run.
fn noise(len: usize, seed: u64) -> Bytes {
    let mut out = vec![0; len];
    blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof().fill(&mut out);
    out.into()
}

fn shapes() -> impl Iterator<Item = (u8, u8)> {
    (1..=SHARDS_MAX).flat_map(|k| (0..=SHARDS_MAX - k).map(move |m| (k, m)))
}

#[test]
fn every_geometry_agrees_with_reed_solomon_erasure() {
    for (k, m) in shapes().filter(|(_, m)| *m > 0) {
        let codec = Codec::of(&Geometry::new(k, m, 1 << 20).unwrap()).unwrap();
        let oracle = portable::Coder::new(k.into(), m.into()).unwrap();
        for shard_len in [1, 31, 64, 1_000, 4_097] {
            let data = codec.split(&noise(shard_len * usize::from(k), shard_len as u64));
            let slices: Vec<&[u8]> = data.iter().map(AsRef::as_ref).collect();
            let mut expected = vec![vec![0; shard_len]; m.into()];
            let mut outputs: Vec<&mut [u8]> = expected.iter_mut().map(AsMut::as_mut).collect();
            oracle.encode(&slices, &mut outputs).unwrap();
            assert_eq!(codec.encode(&data).unwrap(), expected, "{k}+{m}, {shard_len}");
        }
    }
}

#[test]
fn blocks_join_seamlessly() {
    for (k, m) in [(4, 2), (2, 1), (10, 6), (20, 12)] {
        let codec = Codec::of(&Geometry::new(k, m, 1 << 20).unwrap()).unwrap();
        let oracle = portable::Coder::new(k.into(), m.into()).unwrap();
        let shard_len = 300_001;
        let data = codec.split(&noise(shard_len * usize::from(k), 1));
        let slices: Vec<&[u8]> = data.iter().map(AsRef::as_ref).collect();
        let mut expected = vec![vec![0; shard_len]; m.into()];
        let mut outputs: Vec<&mut [u8]> = expected.iter_mut().map(AsMut::as_mut).collect();
        oracle.encode(&slices, &mut outputs).unwrap();
        assert_eq!(codec.encode(&data).unwrap(), expected, "{k}+{m}");
    }
}

#[test]
fn a_full_chunk_is_not_copied() {
    let codec = Codec::of(&Geometry::new(4, 2, 4096).unwrap()).unwrap();
    let chunk = noise(4096, 2);
    for (shard, data) in codec.split(&chunk).iter().enumerate() {
        assert_eq!(data.as_ptr(), chunk[shard * 1024..].as_ptr());
    }
}

#[test]
fn everything_comes_back() {
    let codec = Codec::of(&Geometry::new(4, 2, 4096).unwrap()).unwrap();
    let mut all = codec.split(&noise(4095, 3));
    all.extend(codec.encode(&all).unwrap());
    let mut shards: Vec<_> = all.iter().cloned().map(Some).collect();
    shards[1] = None;
    shards[4] = None;
    codec.reconstruct(&mut shards, Wanted::Data).unwrap();
    assert_eq!(shards[1].as_ref(), Some(&all[1]));
    assert_eq!(shards[4], None);
    codec.reconstruct(&mut shards, Wanted::All).unwrap();
    assert_eq!(shards[4].as_ref(), Some(&all[4]));
}
