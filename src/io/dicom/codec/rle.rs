//! RLE Lossless (PS3.5, annex G): a run-length coded segment for each byte of a pixel, the most significant first.
//!
//! Own code because dose grids have 32 bits.

/// Bytes of the header: the number of segments, then where each begins.
const HEADER_BYTES: usize = 64;

/// What a frame decodes to.
#[derive(Debug, PartialEq)]
pub(super) struct Decoded {
    /// Those of a pixel beside each other.
    pub(super) samples: Vec<u32>,
    /// Bytes that a sample was coded with.
    pub(super) sample_bytes: usize,
}

/// Decodes a frame of `pixels` pixels of `count` samples each, for which at most `allocated_bytes` bytes are allocated; an
/// error says what is wrong with it.
pub(super) fn decode(
    data: &[u8],
    pixels: usize,
    count: usize,
    allocated_bytes: usize,
) -> Result<Decoded, String> {
    let (header, _) = data.split_first_chunk::<HEADER_BYTES>().ok_or("the header is not all there")?;
    let words: Vec<usize> = header.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b) as usize).collect();
    let (&segments, offsets) = words.split_first().ok_or("the header is empty")?;
    if !(1..=15).contains(&segments) {
        return Err(format!("it has {segments} segments, where there are 1 to 15"));
    }
    if !segments.is_multiple_of(count) {
        return Err(format!("it has {segments} segments for {count} samples a pixel"));
    }
    let sample_bytes = segments / count;
    if sample_bytes > allocated_bytes {
        return Err(format!(
            "the compressed image has {} bits a sample, the header allocates {}; Bits Allocated (0028,0100) is wrong",
            8 * sample_bytes,
            8 * allocated_bytes
        ));
    }
    let mut samples = vec![0u32; pixels * count];
    for segment in 0..segments {
        let at = |n: usize| offsets.get(n).copied().filter(|&o| o > 0).unwrap_or(data.len());
        let end = if segment + 1 < segments { at(segment + 1) } else { data.len() };
        let coded =
            data.get(at(segment)..end).ok_or_else(|| format!("segment {segment} lies outside the data"))?;
        // All bytes of the first sample come first, the highest one before the others.
        let mut plane = samples.iter_mut().skip(segment / sample_bytes).step_by(count);
        unpack(coded, segment, pixels, &mut plane)?;
    }
    Ok(Decoded { samples, sample_bytes })
}

/// PackBits (G.3.2): puts a byte below those that each sample has.
fn unpack<'a>(
    coded: &[u8],
    segment: usize,
    pixels: usize,
    plane: &mut impl Iterator<Item = &'a mut u32>,
) -> Result<(), String> {
    let mut left = pixels;
    let mut coded = coded.iter().copied();
    while left > 0 {
        let ends = || format!("segment {segment} ends {left} pixels early");
        let control = coded.next().ok_or_else(ends)?;
        let run = match control {
            0..=127 => usize::from(control) + 1,
            128 => continue,
            129..=255 => 257 - usize::from(control),
        };
        let count = run.min(left);
        if control < 128 {
            for sample in plane.by_ref().take(count) {
                *sample = *sample << 8 | u32::from(coded.next().ok_or_else(ends)?);
            }
        } else {
            let value = coded.next().ok_or_else(ends)?;
            plane.by_ref().take(count).for_each(|sample| *sample = *sample << 8 | u32::from(value));
        }
        left -= count;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(segments: &[&[u8]]) -> Vec<u8> {
        let mut header = vec![segments.len() as u32];
        let mut at = HEADER_BYTES;
        for segment in segments {
            header.push(at as u32);
            at += segment.len();
        }
        header.resize(16, 0);
        let header: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
        [header, segments.concat()].concat()
    }

    #[test]
    fn runs_and_literals_of_32_bits() {
        // Pixels 0x01020304, 0x01020305, 0x01020306: three runs, then literals; the 128 says nothing.
        let coded = frame(&[&[254, 1], &[254, 2], &[128, 254, 3], &[2, 4, 5, 6]]);
        let samples = vec![0x0102_0304, 0x0102_0305, 0x0102_0306];
        assert_eq!(decode(&coded, 3, 1, 4), Ok(Decoded { samples, sample_bytes: 4 }));
    }

    #[test]
    fn fewer_bytes_than_allocated_are_those_that_there_are() {
        let coded = frame(&[&[2, 4, 5, 6]]);
        assert_eq!(decode(&coded, 3, 1, 2), Ok(Decoded { samples: vec![4, 5, 6], sample_bytes: 1 }));
    }

    #[test]
    fn samples_of_a_pixel_come_one_after_the_other() {
        // Two pixels of three samples of 16 bits.
        let coded = frame(&[&[1, 1, 2], &[1, 3, 4], &[255, 5], &[255, 6], &[255, 0], &[1, 7, 8]]);
        let samples = vec![0x0103, 0x0506, 7, 0x0204, 0x0506, 8];
        assert_eq!(decode(&coded, 2, 3, 2), Ok(Decoded { samples, sample_bytes: 2 }));
        assert!(decode(&coded, 2, 4, 2).unwrap_err().contains("6 segments for 4 samples"));
    }

    #[test]
    fn damage_is_an_error() {
        let whole = frame(&[&[254, 1], &[2, 4, 5, 6]]);
        assert!(decode(&whole, 3, 1, 2).is_ok());
        assert!(decode(&whole, 4, 1, 2).unwrap_err().contains("ends 1 pixels early"));
        assert!(decode(&whole, 3, 1, 1).unwrap_err().contains("16 bits a sample, the header allocates 8"));
        assert!(decode(&frame(&[]), 3, 1, 1).unwrap_err().contains("0 segments"));
        assert!(decode(&whole[..66], 3, 1, 2).is_err());
        assert!(decode(&whole[..60], 3, 1, 2).is_err());
    }
}
