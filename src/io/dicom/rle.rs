//! RLE Lossless (PS3.5, annex G): a run-length coded segment for each byte of a pixel, the most significant first.
//!
//! Own code because the registry's codec knows 8 and 16 bits only, and dose grids have 32.

/// Bytes of the header: the number of segments, then where each begins.
const HEADER_BYTES: usize = 64;

/// Decodes a frame of `pixels` pixels of `pixel_bytes` bytes, to little endian; an error says what is wrong with it.
pub(super) fn decode(data: &[u8], pixels: usize, pixel_bytes: usize) -> Result<Vec<u8>, String> {
    let (header, _) = data.split_first_chunk::<HEADER_BYTES>().ok_or("the header is not all there")?;
    let words: Vec<usize> = header.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b) as usize).collect();
    let (segments, offsets) = words.split_first().ok_or("the header is empty")?;
    if *segments != pixel_bytes {
        return Err(format!("it has {segments} segments, where a pixel has {pixel_bytes} bytes"));
    }
    let mut decoded = vec![0; pixels * pixel_bytes];
    for segment in 0..pixel_bytes {
        let at = |n: usize| offsets.get(n).copied().filter(|&o| o > 0).unwrap_or(data.len());
        let end = if segment + 1 < pixel_bytes { at(segment + 1) } else { data.len() };
        let coded =
            data.get(at(segment)..end).ok_or_else(|| format!("segment {segment} lies outside the data"))?;
        let mut plane = decoded.iter_mut().skip(pixel_bytes - 1 - segment).step_by(pixel_bytes);
        let mut left = pixels;
        let mut coded = coded.iter().copied();
        // PackBits (G.3.2).
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
                for byte in plane.by_ref().take(count) {
                    *byte = coded.next().ok_or_else(ends)?;
                }
            } else {
                let value = coded.next().ok_or_else(ends)?;
                plane.by_ref().take(count).for_each(|byte| *byte = value);
            }
            left -= count;
        }
    }
    Ok(decoded)
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
        assert_eq!(decode(&coded, 3, 4), Ok(vec![4, 3, 2, 1, 5, 3, 2, 1, 6, 3, 2, 1]));
    }

    #[test]
    fn damage_is_an_error() {
        let whole = frame(&[&[254, 1], &[2, 4, 5, 6]]);
        assert!(decode(&whole, 3, 2).is_ok());
        assert!(decode(&whole, 4, 2).unwrap_err().contains("ends 1 pixels early"));
        assert!(decode(&whole, 3, 1).unwrap_err().contains("2 segments"));
        assert!(decode(&whole[..66], 3, 2).is_err());
        assert!(decode(&whole[..60], 3, 2).is_err());
    }
}
