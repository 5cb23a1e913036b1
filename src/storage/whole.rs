//! Numbers of as few bytes as they need.

/// Bytes of the longest: 64 bits, seven a byte.
const MOST: usize = 10;

/// Appends a number, seven bits a byte, the lowest first; the highest bit says that another byte follows.
pub(crate) fn put_whole(out: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The same in as many bytes as the largest number needs, so that another one can be put in its place.
pub(crate) fn put_wide_whole(out: &mut Vec<u8>, number: u64) {
    out.extend((0..MOST).map(|n| (number >> (7 * n)) as u8 & 127 | if n + 1 < MOST { 128 } else { 0 }));
}

/// Takes a number from the front; `None` where the bytes end first, or it has more than 64 bits.
pub(crate) fn take_whole(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (n, &byte) in bytes.iter().enumerate().take(MOST) {
        let bits = u64::from(byte & 127);
        if n + 1 == MOST && bits > 1 {
            return None;
        }
        number |= bits << (7 * n);
        if byte < 128 {
            *bytes = &bytes[n + 1..];
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_come_back() {
        for number in [0, 127, 128, 300, 1 << 40, u64::MAX] {
            let (mut few, mut wide) = (Vec::new(), Vec::new());
            put_whole(&mut few, number);
            put_wide_whole(&mut wide, number);
            assert_eq!(
                (few.len(), wide.len()),
                ((64 - number.leading_zeros()).div_ceil(7).max(1) as usize, MOST)
            );
            for bytes in [few, wide] {
                for end in 0..bytes.len() {
                    assert_eq!(take_whole(&mut &bytes[..end]), None);
                }
                let more = [&bytes[..], &[9]].concat();
                let mut rest = &more[..];
                assert_eq!((take_whole(&mut rest), rest), (Some(number), &[9][..]));
            }
        }
        assert_eq!(take_whole(&mut &[255; 20][..]), None);
        assert_eq!(take_whole(&mut &[128, 128, 128, 128, 128, 128, 128, 128, 128, 2][..]), None);
    }
}
