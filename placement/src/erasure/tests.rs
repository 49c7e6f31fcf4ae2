//! The code against its oracle, for every geometry.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use bytes::Bytes;
use proptest::prelude::*;

use super::codec::{Codec, ErasureError, Wanted};
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
        let oracle = portable::PortableCoder::new(k.into(), m.into()).unwrap();
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
        let oracle = portable::PortableCoder::new(k.into(), m.into()).unwrap();
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
fn parity_is_a_format() {
    let codec = Codec::of(&Geometry::new(3, 2, 64).unwrap()).unwrap();
    let parity = codec.encode(&codec.split(&Bytes::from_static(b"Couronne keeps shards"))).unwrap();
    assert_eq!(parity, [vec![6, 60, 118, 118, 120, 122, 110], vec![57, 101, 203, 160, 113, 162, 200]]);
}

#[test]
fn every_geometry_without_parity_or_with_copies() {
    let copies = Codec::of(&Geometry::new(1, 2, 64).unwrap()).unwrap();
    let chunk = noise(10, 4);
    let parity = copies.encode(&copies.split(&chunk)).unwrap();
    assert!(parity.iter().all(|copy| copy.as_ptr() == chunk.as_ptr()), "copies are not copied");
    let mut shards = [None, None, Some(chunk.clone())];
    copies.reconstruct(&mut shards, Wanted::All).unwrap();
    assert!(shards.iter().flatten().all(|copy| copy == &chunk));

    let plain = Codec::of(&Geometry::new(3, 0, 64).unwrap()).unwrap();
    assert_eq!(plain.encode(&plain.split(&chunk)).unwrap(), Vec::<Bytes>::new());
    let mut lossy = [Some(chunk.clone()), None, Some(chunk)];
    assert_eq!(plain.reconstruct(&mut lossy, Wanted::Data), Err(ErasureError::TooFewShards { found: 2, k: 3 }));
}

#[test]
fn shards_that_do_not_fit_are_refused() {
    let codec = Codec::of(&Geometry::new(2, 1, 64).unwrap()).unwrap();
    let (long, short) = (noise(8, 5), noise(7, 5));
    assert_eq!(codec.encode(&[long.clone(), short.clone()]), Err(ErasureError::ShardLength));
    assert_eq!(codec.encode(std::slice::from_ref(&long)), Err(ErasureError::ShardCount { expected: 2, found: 1 }));
    let mut uneven = [None, Some(long), Some(short)];
    assert_eq!(codec.reconstruct(&mut uneven, Wanted::Data), Err(ErasureError::ShardLength));
    assert_eq!(codec.encode(&[Bytes::new(), Bytes::new()]), Ok(vec![Bytes::new()]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// Any `k` shards give back the others, by our codec and by the oracle.
    #[test]
    fn any_k_shards_are_enough(
        (k, m) in (1..=SHARDS_MAX).prop_flat_map(|k| (Just(k), 0..=SHARDS_MAX - k)),
        chunk_len in 0..3_000_usize,
        order in Just((0..usize::from(SHARDS_MAX)).collect::<Vec<_>>()).prop_shuffle(),
        losses in any::<prop::sample::Index>(),
    ) {
        let codec = Codec::of(&Geometry::new(k, m, 1 << 20).unwrap()).unwrap();
        let chunk = noise(chunk_len, chunk_len as u64);
        let mut all = codec.split(&chunk);
        all.extend(codec.encode(&all).unwrap());
        let total = all.len();
        prop_assert_eq!(&all[..k.into()].concat()[..chunk_len], &chunk[..]);

        let lost: Vec<usize> = order.into_iter().filter(|shard| *shard < total).take(losses.index(usize::from(m) + 1)).collect();
        let left: Vec<Option<Bytes>> = (0..total).map(|shard| (!lost.contains(&shard)).then(|| all[shard].clone())).collect();

        let mut data = left.clone();
        codec.reconstruct(&mut data, Wanted::Data).unwrap();
        for (shard, found) in data.iter().enumerate() {
            let expected = (shard < k.into() || !lost.contains(&shard)).then_some(&all[shard]);
            prop_assert_eq!(found.as_ref(), expected, "only the data shards are put back");
        }
        let mut repaired = left.clone();
        codec.reconstruct(&mut repaired, Wanted::All).unwrap();
        prop_assert_eq!(repaired, all.iter().cloned().map(Some).collect::<Vec<_>>());

        if k > 1 && m > 0 && !lost.is_empty() {
            let oracle = portable::PortableCoder::new(k.into(), m.into()).unwrap();
            let slices: Vec<Option<&[u8]>> = left.iter().map(|shard| shard.as_deref()).collect();
            let mut rebuilt = vec![vec![0; all[0].len()]; lost.len()];
            let mut outputs: Vec<&mut [u8]> = rebuilt.iter_mut().map(AsMut::as_mut).collect();
            oracle.reconstruct(&slices, &lost, &mut outputs).unwrap();
            for (shard, bytes) in lost.iter().zip(rebuilt) {
                prop_assert_eq!(&all[*shard], &bytes);
            }
        }
    }
}
