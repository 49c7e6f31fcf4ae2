//! Making buffers fit for direct I/O, copying as little as possible.
//!
//! Promises: the pieces hold the same bytes in the same order; each starts at a multiple of the
//! memory alignment and, but for the last, has a length that is a multiple of [`DIRECT_ALIGN`].
//! Must not know: files.

use bytes::Bytes;
use couronne_base::buffer::AlignedBuffer;

use super::DIRECT_ALIGN;

/// Cuts `buffers` in pieces for direct I/O. What is aligned in memory is taken as it is; only what is
/// not, or the odd tail of a buffer that others follow, is gathered in a new buffer.
pub(super) fn aligned(buffers: Vec<Bytes>, memory_align: usize) -> Vec<Bytes> {
    let mut pieces = Vec::with_capacity(buffers.len() + 1);
    let mut gathered = AlignedBuffer::with_capacity(0);
    for mut buffer in buffers {
        let missing = gathered.len().next_multiple_of(DIRECT_ALIGN) - gathered.len();
        let head = buffer.split_to(missing.min(buffer.len()));
        gathered.extend_from_slice(&head);
        if (buffer.as_ptr() as usize).is_multiple_of(memory_align) {
            let whole = buffer.len() / DIRECT_ALIGN * DIRECT_ALIGN;
            if whole > 0 {
                flush(&mut gathered, &mut pieces);
                pieces.push(buffer.split_to(whole));
            }
        }
        gathered.extend_from_slice(&buffer);
    }
    flush(&mut gathered, &mut pieces);
    pieces
}

fn flush(gathered: &mut AlignedBuffer, pieces: &mut Vec<Bytes>) {
    if !gathered.is_empty() {
        pieces.push(std::mem::replace(gathered, AlignedBuffer::with_capacity(0)).freeze());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn buffer(len: usize, skew: usize, seed: u8) -> Bytes {
        let mut buffer = AlignedBuffer::with_capacity(len + skew);
        buffer.extend_zeroes(skew);
        buffer.extend_from_slice(&vec![seed; len]);
        buffer.freeze().slice(skew..)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn same_bytes_all_aligned(
            shapes in proptest::collection::vec((0usize..4, 0usize..3, 0usize..2), 0..8),
        ) {
            let buffers: Vec<Bytes> = shapes.iter().zip(1u8..)
                .map(|((pages, odd, skew), seed)| buffer(pages * 4096 + odd * 1000, skew * 100, seed))
                .collect();
            let flat = buffers.concat();
            let pieces = aligned(buffers, 512);
            assert_eq!(pieces.concat(), flat);
            let (last, before) = pieces.split_last().map_or((None, &[][..]), |(last, before)| (Some(last), before));
            assert!(before.iter().all(|piece| piece.len() % DIRECT_ALIGN == 0));
            assert!(before.iter().chain(last).all(|piece| (piece.as_ptr() as usize).is_multiple_of(512)));
        }
    }

    #[test]
    fn what_is_aligned_is_not_copied() {
        let (header, payload) = (buffer(4096, 0, 1), buffer(1 << 20, 0, 2));
        let pieces = aligned(vec![header.clone(), payload.clone()], 4096);
        assert_eq!(pieces.len(), 2);
        assert!(std::ptr::eq(pieces[0].as_ptr(), header.as_ptr()));
        assert!(std::ptr::eq(pieces[1].as_ptr(), payload.as_ptr()));
    }
}
