//! Measurements, never tests: criterion benches of the hot parts in `benches/`, and `table`, the script
//! that measures a whole server and writes `docs/benchmarks.md`.
