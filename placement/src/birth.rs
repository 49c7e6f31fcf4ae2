//! Ids that begin with the time at which they were made: 48 bits of milliseconds since 1970, big-endian, then 80 random
//! bits. So they sort by age, and what is old can be told, and forgotten, in order.
//! Must not know: what is named.

/// An id born at `birth_ms` (milliseconds since 1970; the upper 16 bits are dropped).
pub fn id(birth_ms: u64, random: [u8; 10]) -> [u8; 16] {
    let [_, _, b0, b1, b2, b3, b4, b5] = birth_ms.to_be_bytes();
    let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9] = random;
    [b0, b1, b2, b3, b4, b5, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9]
}

/// When what bears the id was born, in milliseconds since 1970; 0 if the id is too short to say.
pub fn birth_ms(id: &[u8]) -> u64 {
    let Some([b0, b1, b2, b3, b4, b5]) = id.first_chunk() else { return 0 };
    u64::from_be_bytes([0, 0, *b0, *b1, *b2, *b3, *b4, *b5])
}
