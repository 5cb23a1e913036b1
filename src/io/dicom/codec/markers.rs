//! The marker segments of JPEG and JPEG-LS streams (ISO 10918-1, annex B; ISO 14495-1, annex C).

/// Start of a scan.
pub(super) const SOS: u8 = 0xda;
/// Huffman tables.
pub(super) const DHT: u8 = 0xc4;
/// Quantisation tables.
pub(super) const DQT: u8 = 0xdb;
/// Restart interval.
pub(super) const DRI: u8 = 0xdd;
/// Frame header of sequential DCT, baseline and extended.
pub(super) const SOF_BASELINE: u8 = 0xc0;
pub(super) const SOF_EXTENDED: u8 = 0xc1;
/// Of progressive DCT.
pub(super) const SOF_PROGRESSIVE: u8 = 0xc2;
/// Of the lossless process.
pub(super) const SOF_LOSSLESS: u8 = 0xc3;
/// Of JPEG-LS.
pub(super) const SOF_LS: u8 = 0xf7;

/// Whether a marker begins a frame header.
pub(super) fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf | SOF_LS) && !matches!(marker, DHT | 0xc8 | 0xcc)
}

/// The marker segments from the start of the image on, without their lengths.
pub(super) struct Segments<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        // Behind the start of the image.
        Self { data, at: 2 }
    }

    /// Steps over the coded data behind a scan's header: what follows are segments again.
    pub(super) fn skip_scan(&mut self) {
        // In data, 0xff is followed by 0, in JPEG-LS by a byte below 0x80; restart markers belong to the data.
        let is_marker = |pair: &[u8]| pair[0] == 0xff && pair[1] >= 0x80 && !(0xd0..=0xd7).contains(&pair[1]);
        self.at += self.rest().windows(2).position(is_marker).unwrap_or(self.rest().len());
    }

    /// What lies behind the last segment.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match (*self.data.get(self.at)?, *self.data.get(self.at + 1)?) {
                (0xff, 0xff) => self.at += 1,
                // Markers that stand alone.
                (0xff, 0x01 | 0xd0..=0xd9) => self.at += 2,
                (0xff, marker) => {
                    let length = u16::from_be_bytes(*self.data.get(self.at + 2..)?.first_chunk()?);
                    let segment = self.at + 4..self.at + 2 + usize::from(length);
                    self.at = segment.end;
                    return Some((marker, self.data.get(segment)?));
                }
                _ => return None,
            }
        }
    }
}

/// Whether the components of a JPEG stream are YBR rather than RGB, where it says so: Adobe's segment, or else that of JFIF.
pub(super) fn is_ybr(data: &[u8]) -> Option<bool> {
    let mut is_jfif = false;
    for (marker, segment) in Segments::new(data).take_while(|(marker, _)| *marker != SOS) {
        match marker {
            0xee if segment.starts_with(b"Adobe") && segment.len() >= 12 => return Some(segment[11] != 0),
            0xe0 if segment.starts_with(b"JFIF\0") => is_jfif = true,
            _ => {}
        }
    }
    is_jfif.then_some(true)
}

/// A frame header (ISO 10918-1, B.2.2; ISO 14495-1, C.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) marker: u8,
    /// Bits a sample.
    pub(super) precision: u32,
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) components: usize,
    /// Of each component: its number, sampling factors and quantisation table.
    pub(super) of_components: &'a [u8],
}

/// The place of a component among those of a frame, by the number that a scan calls it.
pub(super) fn component(of_components: &[u8], number: u8) -> Result<usize, String> {
    let mut numbers = of_components.chunks_exact(3).map(|component| component[0]);
    numbers
        .position(|other| other == number)
        .ok_or_else(|| format!("a scan of an unknown component {number}"))
}

/// Refuses components of which one has fewer samples than another.
pub(super) fn check_sampling(of_components: &[u8]) -> Result<(), String> {
    let mut factors = of_components.chunks_exact(3).map(|component| component[1]);
    let first = factors.next();
    match factors.find(|other| Some(*other) != first) {
        Some(_) => {
            Err("components of which one has fewer samples than another, which are not supported".into())
        }
        None => Ok(()),
    }
}

impl<'a> Frame<'a> {
    /// The first frame header of a stream.
    pub(super) fn find(data: &'a [u8]) -> Option<Self> {
        let (marker, segment) =
            Segments::new(data).find(|(marker, _)| is_frame(*marker) || *marker == SOS)?;
        is_frame(marker).then(|| Self::parse(marker, segment)).flatten()
    }

    fn parse(marker: u8, segment: &'a [u8]) -> Option<Self> {
        let (&[precision, y0, y1, x0, x1, components], of_components) = segment.split_first_chunk()?;
        Some(Self {
            marker,
            precision: precision.into(),
            columns: u16::from_be_bytes([x0, x1]).into(),
            rows: u16::from_be_bytes([y0, y1]).into(),
            components: components.into(),
            of_components,
        })
    }
}

/// The restart interval of a DRI segment: 2 bytes, in JPEG-LS up to 4.
pub(super) fn restart_interval(segment: &[u8]) -> Result<usize, String> {
    match segment.len() {
        2..=4 => Ok(segment.iter().fold(0, |value, &byte| value << 8 | usize::from(byte))),
        length => Err(format!("a restart interval of {length} bytes")),
    }
}

/// The position behind restart marker `number` modulo 8, which is to begin at `at`, where `left` bits before it were taken and
/// not read.
pub(super) fn behind_restart_marker(
    data: &[u8],
    at: usize,
    left: u32,
    number: usize,
) -> Result<usize, String> {
    if left >= 16 {
        return Err("data where a restart marker is due".into());
    }
    let bytes = data.get(at..).unwrap_or_default();
    let fill = bytes.iter().take_while(|&&byte| byte == 0xff).count();
    if fill == 0 || bytes.get(fill).copied() != Some(0xd0 + (number % 8) as u8) {
        return Err(format!("restart marker {} is missing", number % 8));
    }
    Ok(at + fill + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_bytes_and_lone_markers_are_stepped_over() {
        let data = b"\xff\xd8\xff\xff\xfe\0\x03!\xff\x01\xff\xc3\0\x0b\x0c\0\x05\0\x09\x01\x01\x11\0\xff\xda\0\x02rest";
        let mut segments = Segments::new(data);
        assert_eq!(segments.next(), Some((0xfe, &b"!"[..])));
        assert_eq!(segments.next().unwrap().0, SOF_LOSSLESS);
        assert_eq!((segments.next(), segments.rest()), (Some((SOS, &b""[..])), &b"rest"[..]));
        let frame = Frame::find(data).unwrap();
        assert_eq!((frame.precision, frame.columns, frame.rows, frame.components), (12, 9, 5, 1));
    }

    #[test]
    fn a_segment_beyond_the_end_is_none() {
        assert_eq!(Frame::find(b"\xff\xd8\xff\xc3\0\x0b\x0c\0\x05"), None);
        assert_eq!(Frame::find(b"\xff\xd8\xff\xfe\0\0\xff"), None);
        assert_eq!(Frame::find(b""), None);
    }
}
