//! CRC-64/NVME of bytes that lie, or are checked, in pieces.
//!
//! The CRC of one run of bytes after another is that of the first, moved by the length of the second, plus
//! that of the second, in the polynomials over GF(2) modulo the CRC's own. Moving by a length is one
//! multiplication for each bit that is set in it; crc-fast, which does all else, takes tens of microseconds.
//! Promises: the same as [`of`] all bytes at once. Must not know: what the bytes are.

use std::sync::LazyLock;

use crc_fast::{CrcAlgorithm, checksum};

/// The CRC's polynomial, x^63 in the lowest bit, x^64 left out.
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;

/// x to the power of eight, of its square, and so on: what moving by 1, 2, 4 bytes and so on multiplies by.
static MOVES: LazyLock<[u64; 64]> = LazyLock::new(|| {
    // x^0 is the highest bit.
    let mut power = 1 << 55;
    std::array::from_fn(|_| {
        let square = multiply(power, power);
        std::mem::replace(&mut power, square)
    })
});

/// The CRC of some bytes.
pub fn of(bytes: &[u8]) -> u64 {
    checksum(CrcAlgorithm::Crc64Nvme, bytes)
}

/// The CRC of two runs of bytes, one after the other: by the CRC of each, and the length of the second in bytes.
pub fn join(first: u64, second: u64, second_len: u64) -> u64 {
    moved(first, second_len) ^ second
}

/// The CRC of the second of two runs: by that of both, that of the first, and the length of the second in bytes.
pub fn rest(both: u64, first: u64, second_len: u64) -> u64 {
    both ^ moved(first, second_len)
}

fn moved(crc: u64, len: u64) -> u64 {
    let set = MOVES.iter().enumerate().filter(|(bit, _)| len >> bit & 1 == 1);
    set.fold(crc, |crc, (_, by)| multiply(*by, crc))
}

fn multiply(one: u64, mut other: u64) -> u64 {
    let mut product = 0;
    for bit in (0..64).rev() {
        product ^= other & (one >> bit & 1).wrapping_neg();
        other = other >> 1 ^ POLYNOMIAL & (other & 1).wrapping_neg();
    }
    product
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_crc_of_pieces_is_that_of_the_whole(
            bytes in proptest::collection::vec(any::<u8>(), 0..5000), at in any::<prop::sample::Index>(),
        ) {
            let (first, second) = bytes.split_at(at.index(bytes.len() + 1));
            let len = second.len() as u64;
            prop_assert_eq!(join(of(first), of(second), len), of(&bytes));
            prop_assert_eq!(rest(of(&bytes), of(first), len), of(second));
        }

        #[test]
        fn any_length_is_moved_by(first: u64, second: u64, len in 0u64..1 << 40) {
            let library = crc_fast::checksum_combine(CrcAlgorithm::Crc64Nvme, first, second, len);
            prop_assert_eq!(join(first, second, len), library);
        }
    }
}
