//! What a body's bytes cost on their way to the drives: encoding, sealing, verifying, rebuilding.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench may fail")]

use bytes::Bytes;
use couronne_placement::erasure::{Codec, Wanted};
use couronne_placement::frame;
use couronne_placement::{Binding, BlobId, ChunkId, Geometry, ShardId};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// A full chunk of `ec:4+2`, in bytes.
const CHUNK_BYTES: u32 = 4 << 20;

fn shard() -> ShardId {
    ShardId {
        chunk: ChunkId { blob: BlobId::new(1_800_000_000_000, [7; 10], Binding::to(b"bucket", b"key")), index: 3 },
        number: 1,
    }
}

fn chunk() -> Bytes {
    (0..CHUNK_BYTES).map(|at| at.wrapping_mul(0x9e37_79b9).to_be_bytes()[0]).collect::<Vec<u8>>().into()
}

fn erasure(criterion: &mut Criterion) {
    let geometry = Geometry::new(4, 2, CHUNK_BYTES).unwrap();
    let codec = Codec::of(&geometry).unwrap();
    let data = codec.split(&chunk());
    let parity = codec.encode(&data).unwrap();
    let mut group = criterion.benchmark_group("erasure 4+2");
    group.throughput(Throughput::Bytes(u64::from(CHUNK_BYTES)));
    group.bench_function("encode", |bencher| bencher.iter(|| codec.encode(&data).unwrap()));
    group.bench_function("rebuild two data shards", |bencher| {
        let mut shards: Vec<Option<Bytes>> = data.iter().chain(&parity).cloned().map(Some).collect();
        shards.iter_mut().take(2).for_each(|shard| *shard = None);
        bencher.iter_batched(
            || shards.clone(),
            |mut shards| codec.reconstruct(&mut shards, Wanted::Data).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn frames(criterion: &mut Criterion) {
    let geometry = Geometry::new(4, 2, CHUNK_BYTES).unwrap();
    let payload = chunk().slice(..1 << 20);
    let checksums = frame::seal(shard(), geometry, &payload);
    let mut group = criterion.benchmark_group("frames of a 1 MiB shard");
    group.throughput(Throughput::Bytes(1 << 20));
    group.bench_function("seal", |bencher| bencher.iter(|| frame::seal(shard(), geometry, &payload)));
    group.bench_function("verify", |bencher| {
        bencher.iter(|| frame::verify(shard(), geometry, 0, &checksums, &payload).unwrap());
    });
    group.finish();
}

criterion_group!(benches, erasure, frames);
criterion_main!(benches);
