//! Measurements, never tests. In `benches/`: criterion benches of the hot parts (`bytes`, `rows`), and mains
//! that print what the engine, a drive and a node cost in CPU time (`engine`, `drive`, `node`); each is run
//! with `cargo bench -p couronne-benches --bench NAME`. `table` is the script that measures a whole server
//! and writes `docs/benchmarks.md`.
