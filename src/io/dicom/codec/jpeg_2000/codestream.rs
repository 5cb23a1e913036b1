//! What a JPEG 2000 codestream says of itself (ISO 15444-1, annex A), and whether it is all there.

use std::borrow::Cow;

/// Start of a codestream: SOC and SIZ.
pub(super) const START: &[u8] = b"\xff\x4f\xff\x51";
/// Start of a JP2 file (annex I), which DICOM forbids and some write.
pub(super) const JP2_SIGNATURE: &[u8] = b"\0\0\0\x0cjP  ";

const SIZ: u8 = 0x51;
const COD: u8 = 0x52;
const COC: u8 = 0x53;
const SOT: u8 = 0x90;
pub(super) const SOD: u8 = 0x93;
/// End of the codestream.
const EOC: &[u8] = b"\xff\xd9";

/// No codestream has more tiles: their numbers have 16 bits.
const MOST_TILES: u64 = 65535;

pub(in super::super) struct Codestream<'a> {
    /// From SOC on.
    pub(super) data: &'a [u8],
    pub(in super::super) columns: usize,
    pub(in super::super) rows: usize,
    pub(in super::super) components: usize,
    /// Bits a sample.
    pub(in super::super) precision: u32,
    pub(super) signed: bool,
    /// Whether samples may differ from those that were encoded: the transform has no exact inverse.
    pub(in super::super) irreversible: bool,
    /// Whether the first three components are coded as a luminance and colour differences, which decoding turns into RGB.
    pub(super) transformed: bool,
    pub(super) layers: usize,
    pub(super) high_throughput: bool,
    axes: [Axis; 2],
    /// Binary logarithms of the precincts' sizes, from the lowest resolution on.
    precincts: Vec<[u32; 2]>,
    /// Where the first tile-part begins.
    tile_parts: usize,
}

/// The reference grid along one axis (A.5.1).
#[derive(Clone, Copy)]
struct Axis {
    /// Xsiz, XOsiz: the image's end and start.
    end: u64,
    start: u64,
    /// XTsiz, XTOsiz: a tile's extent, and where the first begins.
    tile: u64,
    first_tile: u64,
    /// XRsiz: points a sample.
    step: u64,
}

impl Axis {
    fn samples(&self) -> u64 {
        self.end.div_ceil(self.step).saturating_sub(self.start.div_ceil(self.step))
    }

    fn tiles(&self) -> u64 {
        self.end.saturating_sub(self.first_tile).div_ceil(self.tile)
    }

    /// How many precincts of `2^log` samples all tiles have, at a resolution of samples `2^level` apart (B.6).
    fn precincts(&self, level: u32, log: u32) -> u64 {
        let of_tile = |tile: u64| {
            let first = self.first_tile + tile * self.tile;
            let from = first.max(self.start).div_ceil(self.step).div_ceil(1 << level);
            let to = (first + self.tile).min(self.end).div_ceil(self.step).div_ceil(1 << level);
            if to > from { to.div_ceil(1 << log) - (from >> log) } else { 0 }
        };
        (0..self.tiles()).map(of_tile).sum()
    }
}

impl<'a> Codestream<'a> {
    /// Reads the main header.
    pub(in super::super) fn parse(data: &'a [u8]) -> Result<Self, String> {
        let data = if data.starts_with(START) {
            data
        } else {
            in_jp2(data).ok_or("a JP2 file without codestream")?
        };
        let (mut size, mut style, mut own_style) = (None, None, None);
        let mut segments = Segments { data, at: 2, last: 0 };
        loop {
            match segments.next().ok_or("the main header ends early")? {
                (SIZ, segment) => size = Some(Size::parse(segment).ok_or("a damaged image size")?),
                (COD, segment) => style = Some(segment),
                // Of the first component, whose number has one byte where there are fewer than 257.
                (COC, segment) if segment.first() == Some(&0) => own_style = Some(segment),
                (SOT, _) => break,
                _ => {}
            }
        }
        let size = size.ok_or("an image size is missing")?;
        if !size.alike {
            return Err("components that differ in bits or number of samples, which are not supported".into());
        }
        let [flags, _, layers0, layers1, transformed, parameters @ ..] =
            style.ok_or("a coding style is missing")?
        else {
            return Err("a short coding style".into());
        };
        let (has_precincts, parameters) = match own_style {
            Some([_, flags, parameters @ ..]) => (flags & 1 == 1, parameters),
            _ => (flags & 1 == 1, parameters),
        };
        let &[levels, _, _, blocks, transform, ref precincts @ ..] = parameters else {
            return Err("a short coding style".into());
        };
        if levels > 32 {
            return Err(format!("{levels} levels of decomposition, where there are at most 32"));
        }
        let precinct = |n: u8| match precincts.get(usize::from(n)) {
            Some(&logs) if has_precincts => Ok([u32::from(logs & 15), u32::from(logs >> 4)]),
            None if has_precincts => Err("a short coding style"),
            _ => Ok([15; 2]),
        };
        Ok(Self {
            data,
            columns: size.axes[0].samples() as usize,
            rows: size.axes[1].samples() as usize,
            components: size.components,
            precision: size.precision,
            signed: size.signed,
            irreversible: transform == 0,
            transformed: *transformed != 0,
            layers: u16::from_be_bytes([*layers0, *layers1]).into(),
            high_throughput: blocks & 0x40 != 0,
            axes: size.axes,
            precincts: (0..=levels).map(precinct).collect::<Result<_, _>>()?,
            tile_parts: segments.last,
        })
    }

    /// The whole codestream, with its end marker and with the last tile-part's length, which some writers leave out; an
    /// error when a tile is not all there.
    pub(super) fn whole(&self) -> Result<Cow<'a, [u8]>, String> {
        let Tiles { end, open } = self.tiles()?;
        let ended = self.data.get(end..).is_some_and(|rest| rest.starts_with(EOC));
        if ended && open.is_none() {
            return Ok(Cow::Borrowed(self.data.get(..end + EOC.len()).unwrap_or_default()));
        }
        let mut data = [self.data.get(..end).unwrap_or_default(), EOC].concat();
        if let Some(at) = open
            && let Some(length) = data.get_mut(at + 6..at + 10)
        {
            length.copy_from_slice(&((end - at) as u32).to_be_bytes());
        }
        Ok(Cow::Owned(data))
    }

    fn tiles(&self) -> Result<Tiles, String> {
        let tiles = self.axes[0].tiles().saturating_mul(self.axes[1].tiles());
        if tiles > MOST_TILES {
            return Err(format!("{tiles} tiles, where there are at most {MOST_TILES}"));
        }
        let mut seen = vec![false; tiles as usize];
        let (mut at, mut open) = (self.tile_parts, None);
        loop {
            let rest = self.data.get(at..).unwrap_or_default();
            // Behind the end there may be padding.
            if rest.starts_with(EOC) || rest.iter().all(|&byte| byte == 0) {
                break;
            }
            let &[0xff, SOT, 0, 10, i0, i1, l0, l1, l2, l3, ..] = rest else {
                return Err(format!("no tile begins at byte {at}"));
            };
            let tile = usize::from(u16::from_be_bytes([i0, i1]));
            *seen.get_mut(tile).ok_or_else(|| format!("tile {tile}, where there are {tiles}"))? = true;
            match u32::from_be_bytes([l0, l1, l2, l3]) as usize {
                // All that is left (A.4.2).
                0 => {
                    let end = rest.strip_suffix(&[0]).filter(|rest| rest.ends_with(EOC)).unwrap_or(rest);
                    open = Some(at);
                    at += end.strip_suffix(EOC).unwrap_or(end).len();
                    break;
                }
                length if length > rest.len() => {
                    return Err(format!("tile {tile} ends {} bytes early", length - rest.len()));
                }
                length if length < 14 => return Err(format!("tile {tile} has a length of {length} bytes")),
                length => at += length,
            }
        }
        match seen.iter().position(|&seen| !seen) {
            Some(tile) => Err(format!("tile {tile} of {tiles} is missing")),
            None => Ok(Tiles { end: at, open }),
        }
    }

    /// Refuses more packets than there are bytes: each has one at least, and decoders set up a structure for each.
    pub(super) fn check_packets(&self) -> Result<(), String> {
        let levels = (0..self.precincts.len() as u32).rev();
        let of_layer = levels.zip(&self.precincts).fold(0u64, |sum, (level, logs)| {
            let [x, y] = [0, 1].map(|axis| self.axes[axis].precincts(level, logs[axis]));
            sum.saturating_add(x.saturating_mul(y))
        });
        let packets = of_layer.saturating_mul(self.layers as u64);
        if packets > self.data.len() as u64 {
            return Err(format!(
                "{} bytes, where {packets} packets need one each; it is truncated",
                self.data.len()
            ));
        }
        Ok(())
    }

    /// The marker segments of the main header and of all tile-parts' headers, each with where its content begins.
    pub(super) fn header_segments(&self) -> Vec<(u8, std::ops::Range<usize>)> {
        let mut found = Vec::new();
        let mut segments = Segments { data: self.data, at: 2, last: 0 };
        let mut part = (0, 0);
        while let Some((marker, segment)) = segments.next() {
            let start = segments.at - segment.len();
            match marker {
                SOT => {
                    let length =
                        segment.get(2..6).and_then(|b| b.first_chunk().copied()).map(u32::from_be_bytes);
                    part = (segments.last, length.unwrap_or(0) as usize);
                }
                // The next tile-part begins behind this one's packets.
                SOD if part.0 + part.1 <= segments.at => break,
                SOD => segments.at = part.0 + part.1,
                _ => found.push((marker, start..segments.at)),
            }
        }
        found
    }
}

/// Where the tile-parts lie.
struct Tiles {
    /// The end of the last one.
    end: usize,
    /// Where the last one begins, when its length is not given.
    open: Option<usize>,
}

/// Marker segments without their lengths.
struct Segments<'a> {
    data: &'a [u8],
    at: usize,
    /// Where the last segment's marker is.
    last: usize,
}

impl<'a> Segments<'a> {
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let &[0xff, marker] = self.data.get(self.at..)?.first_chunk()? else { return None };
        self.last = self.at;
        // These stand alone (A.2).
        if matches!(marker, 0x30..=0x3f | SOD) {
            self.at += 2;
            return Some((marker, &[]));
        }
        let length = u16::from_be_bytes(*self.data.get(self.at + 2..)?.first_chunk()?);
        let segment = self.data.get(self.at + 4..self.at + 2 + usize::from(length))?;
        self.at += 2 + usize::from(length);
        Some((marker, segment))
    }
}

/// The image and tile size (A.5.1).
struct Size {
    /// Whether all components have the same samples.
    alike: bool,
    axes: [Axis; 2],
    components: usize,
    precision: u32,
    signed: bool,
}

impl Size {
    fn parse(segment: &[u8]) -> Option<Self> {
        let long = |at: usize| Some(u64::from(u32::from_be_bytes(*segment.get(at..)?.first_chunk()?)));
        let components = u16::from_be_bytes(*segment.get(34..)?.first_chunk()?);
        let &[depth, x_step, y_step] = segment.get(36..)?.first_chunk()?;
        let axis = |n: usize, step: u8| {
            let axis = Axis {
                end: long(2 + 4 * n)?,
                start: long(10 + 4 * n)?,
                tile: long(18 + 4 * n)?,
                first_tile: long(26 + 4 * n)?,
                step: step.into(),
            };
            // Each tile has something of the image (B.3).
            let first = axis.first_tile <= axis.start && axis.start < axis.first_tile + axis.tile;
            (axis.start < axis.end && axis.tile > 0 && axis.step > 0 && first).then_some(axis)
        };
        // Three bytes for each component, which may differ.
        let of_components = segment.get(36..36 + 3 * usize::from(components))?;
        let alike = of_components.chunks_exact(3).all(|other| other == [depth, x_step, y_step]);
        Some(Self {
            alike,
            axes: [axis(0, x_step)?, axis(1, y_step)?],
            components: components.into(),
            precision: u32::from(depth & 0x7f) + 1,
            signed: depth & 0x80 != 0,
        })
    }
}

/// The codestream in a JP2 file: the content of its box (I.5.4).
fn in_jp2(data: &[u8]) -> Option<&[u8]> {
    let mut rest = data;
    loop {
        let &[l0, l1, l2, l3, ref kind @ ..] = rest.first_chunk::<8>()?;
        let (head, length) = match u32::from_be_bytes([l0, l1, l2, l3]) {
            // To the end of the file.
            0 => (8, rest.len()),
            1 => (16, usize::try_from(u64::from_be_bytes(*rest.get(8..)?.first_chunk()?)).ok()?),
            length => (8, length as usize),
        };
        if kind == b"jp2c" {
            let content = rest.get(head..length.min(rest.len()))?;
            return content.starts_with(START).then_some(content);
        }
        rest = rest.get(length.max(head)..)?;
    }
}
