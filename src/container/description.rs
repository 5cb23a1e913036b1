//! What a file says of its volume: grid, geometry, provenance.

use super::bytes::{Fields, put_text};
use super::focus::FocusInfo;
use super::quality::{Achieved, Asked};
use crate::metrics::{Distortion, Fidelity, psnr};
use crate::storage::put_whole;
use crate::volume::{Association, Frame, Geometry, SampleType, Volume, VolumeHeader};
use std::collections::BTreeMap;

/// The volume behind a `.nvol` file, as its header describes it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Description {
    /// Samples along x, y, z.
    pub shape: [usize; 3],
    /// The samples' type.
    pub sample_type: SampleType,
    /// Where the samples lie.
    pub geometry: Geometry,
    /// Whether they are of the grid's points or of its cells.
    pub association: Association,
    /// The array's name.
    pub name: String,
    /// The values' unit, empty when unknown.
    pub unit: String,
    /// The value of masked voxels of class fill.
    pub fill_value: Option<f64>,
    /// The other end of the values that stand for "no data here", where there is a range of them.
    pub fill_limit: Option<f64>,
    /// Smallest and largest measurement; `None` when every voxel is masked.
    pub range: Option<(f64, f64)>,
    /// Where the volume came from. Nothing that identifies a patient.
    pub provenance: BTreeMap<String, String>,
    /// What was asked for.
    pub asked: Asked,
    /// What was achieved.
    pub achieved: Achieved,
    /// A part of the volume that is better than the rest; what was asked for is asked of the rest then.
    pub focus: Option<FocusInfo>,
    /// The neuvol that wrote the file.
    pub writer: String,
}

/// Flags of section VOLM: which numbers it has.
const FILL_VALUE: u8 = 1;
const RANGE: u8 = 2;
const ORIGIN: u8 = 4;
const SPACING: u8 = 8;
const DIRECTION: u8 = 16;
/// The samples are cells'; a byte says which axes are flat.
const CELLS: u8 = 32;
const FILL_LIMIT: u8 = 64;

impl Description {
    /// The description of a volume.
    pub(crate) fn of(volume: &Volume, range: Option<(f64, f64)>, asked: Asked, achieved: Achieved) -> Self {
        Self::of_header(VolumeHeader::of(volume), range, asked, achieved)
    }

    /// The description of a volume that is not in memory.
    pub(crate) fn of_header(
        header: VolumeHeader,
        range: Option<(f64, f64)>,
        asked: Asked,
        achieved: Achieved,
    ) -> Self {
        Self {
            shape: header.shape,
            sample_type: header.sample_type,
            geometry: header.geometry,
            association: header.association,
            name: header.name,
            unit: header.unit,
            fill_value: header.fill_value.map(|fill| header.sample_type.nearest(fill)),
            fill_limit: header.fill_limit.map(|limit| header.sample_type.nearest(limit)),
            range,
            provenance: header.provenance,
            asked,
            achieved,
            focus: None,
            writer: concat!("neuvol ", env!("CARGO_PKG_VERSION")).into(),
        }
    }

    /// Number of voxels.
    pub fn voxels(&self) -> u64 {
        self.shape.iter().map(|&n| n as u64).product()
    }

    /// Bytes of the samples in their stored type.
    pub fn stored_bytes(&self) -> u64 {
        self.voxels() * self.sample_type.size() as u64
    }

    /// `20 log10((max - min) / RMSE)`, infinite where nothing differs.
    pub fn psnr(&self) -> f64 {
        psnr(self.achieved.rmse, self.range)
    }

    /// What the file says was measured when it was written. It does not say how many voxels are masked: `voxels` are all.
    pub fn fidelity(&self) -> Fidelity {
        let Achieved { rmse, max_error, max_error_voxel, bias, noise, similarity, ref bands, .. } =
            self.achieved;
        Fidelity {
            distortion: Distortion { psnr: self.psnr(), rmse, max_error, voxels: self.voxels() },
            noise,
            bias,
            largest: max_error_voxel,
            similarity,
            bands: bands.clone(),
        }
    }

    /// The same of a later step with this range.
    pub(super) fn with_range(&self, range: (f64, f64)) -> Result<Self, String> {
        check_range(range, self.sample_type)?;
        Ok(Self { range: Some(range), ..self.clone() })
    }

    /// The pairs of the provenance that an earlier step's has not, where nothing else differs but range and quality.
    #[cfg(feature = "train")]
    pub(super) fn differences_to(&self, before: &Self) -> Option<BTreeMap<String, String>> {
        let is_like = self.volume_section_with(None) == before.volume_section_with(None)
            && self.range.is_some()
            && before.provenance.keys().all(|key| self.provenance.contains_key(key));
        let differs = |pair: &(&String, &String)| before.provenance.get(pair.0) != Some(pair.1);
        let pairs = self.provenance.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone()));
        is_like.then(|| pairs.collect())
    }

    pub(super) fn volume_section(&self) -> Vec<u8> {
        self.volume_section_with(self.range)
    }

    fn volume_section_with(&self, range: Option<(f64, f64)>) -> Vec<u8> {
        let Geometry { origin, spacing, direction, frame } = self.geometry;
        let direction = direction.as_flattened();
        // What most volumes do not have, or have as everyone expects it, is left out: small files are mostly header.
        let as_expected = Geometry::default();
        let is = |numbers: &[f64], expected: &[f64]| {
            numbers.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits())
        };
        let optional: [(u8, &[f64]); 6] = [
            (FILL_VALUE, self.fill_value.as_slice()),
            (RANGE, &range.map_or(Vec::new(), |(low, high)| vec![low, high])),
            (ORIGIN, if is(&origin, &as_expected.origin) { &[] } else { &origin }),
            (SPACING, if is(&spacing, &as_expected.spacing) { &[] } else { &spacing }),
            (DIRECTION, if is(direction, as_expected.direction.as_flattened()) { &[] } else { direction }),
            (FILL_LIMIT, self.fill_limit.as_slice()),
        ];
        let numbers: u8 =
            optional.iter().filter(|(_, numbers)| !numbers.is_empty()).map(|(flag, _)| flag).sum();
        let (cells, flat) = match self.association {
            Association::Point => (0, None),
            Association::Cell { flat } => (CELLS, Some((0..3).map(|a| u8::from(flat[a]) << a).sum::<u8>())),
        };
        let flags = numbers | cells;
        let mut out = vec![self.sample_type as u8, frame as u8, flags];
        for n in self.shape {
            put_whole(&mut out, n as u64);
        }
        for number in optional.iter().flat_map(|(_, numbers)| *numbers) {
            out.extend(number.to_le_bytes());
        }
        out.extend(flat);
        put_text(&mut out, &self.name);
        put_text(&mut out, &self.unit);
        out
    }

    /// Provenance and what was achieved come from sections of their own.
    pub(super) fn parse_volume(section: &[u8]) -> Result<Self, String> {
        let mut fields = Fields::new(section);
        let type_code = fields.u8("sample type")?;
        let sample_type =
            SampleType::from_code(type_code).ok_or_else(|| format!("sample type {type_code} is unknown"))?;
        let frame_code = fields.u8("frame")?;
        let frame = Frame::from_code(frame_code).ok_or_else(|| format!("frame {frame_code} is unknown"))?;
        let flags = fields.u8("flags")?;
        let mut shape = [0; 3];
        for n in &mut shape {
            *n = fields.count("shape")?;
        }
        let voxels = shape.iter().try_fold(1u64, |product, &n| product.checked_mul(n as u64));
        if shape.iter().any(|&n| u32::try_from(n).is_err()) || voxels.is_none_or(|v| v == 0 || v > MAX_VOXELS)
        {
            return Err(format!(
                "a volume of {shape:?} samples is empty or beyond 2^32 an axis or 2^40 voxels"
            ));
        }
        let fill_value = if flags & FILL_VALUE != 0 { Some(fields.f64("fill value")?) } else { None };
        let range = if flags & RANGE != 0 { Some(fields.f64s("range")?) } else { None };
        let range = range.map(|[low, high]| (low, high));
        let mut geometry = Geometry { frame, ..Geometry::default() };
        if flags & ORIGIN != 0 {
            geometry.origin = fields.f64s("origin")?;
        }
        if flags & SPACING != 0 {
            geometry.spacing = fields.f64s("spacing")?;
        }
        if flags & DIRECTION != 0 {
            for row in &mut geometry.direction {
                *row = fields.f64s("direction")?;
            }
        }
        let fill_limit = if flags & FILL_LIMIT != 0 { Some(fields.f64("fill limit")?) } else { None };
        range.map_or(Ok(()), |range| check_range(range, sample_type))?;
        let association = if flags & CELLS != 0 {
            let axes = fields.u8("flat axes")?;
            let flat = [0, 1, 2].map(|a| axes >> a & 1 == 1);
            if axes > 7 || (0..3).any(|a| flat[a] && shape[a] > 1) {
                return Err(format!("flat axes {axes:#04x} do not go with {shape:?} samples"));
            }
            Association::Cell { flat }
        } else {
            Association::Point
        };
        let name = fields.text("name")?;
        let unit = fields.text("unit")?;
        fields.end()?;
        Ok(Self {
            shape,
            sample_type,
            geometry,
            association,
            name,
            unit,
            fill_value,
            fill_limit,
            range,
            provenance: BTreeMap::new(),
            asked: Asked::default(),
            achieved: Achieved::default(),
            focus: None,
            writer: String::new(),
        })
    }

    pub(super) fn provenance_section(pairs: &BTreeMap<String, String>) -> Vec<u8> {
        let mut out = Vec::new();
        put_whole(&mut out, pairs.len() as u64);
        for (key, value) in pairs {
            put_text(&mut out, key);
            put_text(&mut out, value);
        }
        out
    }

    pub(super) fn parse_provenance(section: &[u8]) -> Result<BTreeMap<String, String>, String> {
        let mut fields = Fields::new(section);
        let count = fields.whole("count")?;
        let mut pairs = BTreeMap::new();
        for _ in 0..count {
            let key = fields.text("key")?;
            pairs.insert(key, fields.text("value")?);
        }
        fields.end()?;
        Ok(pairs)
    }

    pub(super) fn quality_section(&self) -> Vec<u8> {
        self.achieved.section(&self.asked, &self.writer, self.shape, self.range)
    }
}

/// A range that samples of a type may have.
fn check_range((low, high): (f64, f64), sample_type: SampleType) -> Result<(), String> {
    if !(low.is_finite() && high.is_finite() && low <= high) {
        return Err(format!("invalid range from {low} to {high}"));
    }
    let (least, most) = sample_type.limits();
    let fits = |v: f64| v >= least && v <= most && (!sample_type.is_integer() || v.fract() == 0.0);
    if !fits(low) || !fits(high) {
        return Err(format!("a range from {low} to {high} does not fit {sample_type}"));
    }
    Ok(())
}

/// A bound for files: positions are f32 and indices are checked against it.
pub(crate) const MAX_VOXELS: u64 = 1 << 40;
