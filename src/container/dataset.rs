//! Section VOLS: what a file of several volumes holds. Each of them is a file of one volume in its data.

use super::bytes::{Fields, put_text};
use super::sections::{StoredSection, file_around};
use crate::storage::{ByteWindow, ReadAt};
use std::sync::Arc;

/// Arrays, time steps and volumes that a file has at most: together no more than an index of some megabytes.
const MOST_ARRAYS: usize = 1 << 12;
const MOST_VOLUMES: usize = 1 << 20;
/// Components of an array: a tensor's nine.
pub(crate) const MOST_COMPONENTS: usize = 9;

/// Flag of the times.
const TIMES: u8 = 1;

/// An array of a file: one volume a component and time step, all with a quality of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrayInfo {
    /// The array's name.
    pub name: String,
    /// The components' names, as many as there are components, 1 to 9; empty where they have no name.
    pub components: Vec<String>,
}

/// What a file of several volumes holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DatasetIndex {
    pub(crate) arrays: Vec<ArrayInfo>,
    pub(crate) steps: usize,
    /// The times of the steps, ascending, where they are known.
    pub(crate) times: Option<Vec<f64>>,
    /// Bytes of each volume: components first, then arrays, then time steps.
    lengths: Vec<u64>,
}

impl DatasetIndex {
    /// Of volumes whose lengths are not known yet.
    ///
    /// # Errors
    /// A sentence, for more than a file may hold, or times that do not ascend.
    pub(crate) fn new(arrays: Vec<ArrayInfo>, steps: usize, times: Option<Vec<f64>>) -> Result<Self, String> {
        if !(1..=MOST_ARRAYS).contains(&arrays.len()) {
            return Err(format!("{} arrays; a file has 1 to {MOST_ARRAYS}", arrays.len()));
        }
        for (n, array) in arrays.iter().enumerate() {
            let count = array.components.len();
            if !(1..=MOST_COMPONENTS).contains(&count) {
                return Err(format!(
                    "array '{}' has {count} components; a file's arrays have 1 to {MOST_COMPONENTS}",
                    array.name
                ));
            }
            if arrays[..n].iter().any(|other| other.name == array.name) {
                return Err(format!("two arrays have the name '{}'", array.name));
            }
        }
        let each: usize = arrays.iter().map(|array| array.components.len()).sum();
        let count = each.checked_mul(steps).filter(|count| (1..=MOST_VOLUMES).contains(count));
        let Some(count) = count else {
            return Err(format!(
                "{steps} time steps of {each} volumes; a file has 1 to {MOST_VOLUMES} in all"
            ));
        };
        if let Some(times) = &times {
            let ascend = times.iter().all(|time| time.is_finite()) && times.is_sorted_by(|a, b| a < b);
            if times.len() != steps || !ascend {
                return Err(format!("{steps} time steps need as many ascending times"));
            }
        }
        Ok(Self { arrays, steps, times, lengths: vec![0; count] })
    }

    /// How many volumes there are.
    pub(crate) fn len(&self) -> usize {
        self.lengths.len()
    }

    /// A volume's number.
    pub(crate) fn number(&self, array: usize, component: usize, step: usize) -> usize {
        let components = |arrays: &[ArrayInfo]| arrays.iter().map(|a| a.components.len()).sum::<usize>();
        step * components(&self.arrays) + components(&self.arrays[..array]) + component
    }

    pub(crate) fn set_length(&mut self, volume: usize, length: u64) {
        self.lengths[volume] = length;
    }

    /// Everything before the first volume.
    pub(crate) fn file_start(&self) -> Vec<u8> {
        let mut out = (self.arrays.len() as u16).to_le_bytes().to_vec();
        for array in &self.arrays {
            put_text(&mut out, &array.name);
            out.push(array.components.len() as u8);
            array.components.iter().for_each(|name| put_text(&mut out, name));
        }
        out.extend((self.steps as u32).to_le_bytes());
        out.push(if self.times.is_some() { TIMES } else { 0 });
        self.times.iter().flatten().for_each(|time| out.extend(time.to_le_bytes()));
        self.lengths.iter().for_each(|length| out.extend(length.to_le_bytes()));
        file_around(super::VOLUMES, &out, self.lengths.iter().sum())
    }

    fn parse(fields: &mut Fields<'_>) -> Result<Self, String> {
        let count = fields.u16("number of arrays")?;
        let mut arrays = Vec::new();
        for _ in 0..count {
            let name = fields.text("array's name")?;
            let components = fields.u8("number of components")?;
            let components =
                (0..components).map(|_| fields.text("component's name")).collect::<Result<_, _>>()?;
            arrays.push(ArrayInfo { name, components });
        }
        let steps = fields.u32("number of time steps")? as usize;
        let has_times = fields.u8("flags")? & TIMES != 0;
        // No more of them than the section has bytes for.
        let times = has_times.then(|| (0..steps).map(|_| fields.f64("time")).collect::<Result<_, _>>());
        let mut index = Self::new(arrays, steps, times.transpose()?)?;
        for length in &mut index.lengths {
            *length = fields.u64("length of a volume")?;
        }
        Ok(index)
    }
}

/// A file of several volumes.
pub(crate) struct StoredDataset {
    pub(crate) index: DatasetIndex,
    /// Where each volume begins in the file.
    starts: Vec<u64>,
    file: Arc<dyn ReadAt>,
}

impl StoredDataset {
    pub(super) fn parse(section: &StoredSection<'_>) -> Result<Self, String> {
        let mut fields = Fields::new(section.bytes);
        let index = DatasetIndex::parse(&mut fields)?;
        fields.end()?;
        let data = section.data();
        let mut starts = Vec::with_capacity(index.len());
        let mut start = data.start;
        for &length in &index.lengths {
            starts.push(start);
            start = start.checked_add(length).ok_or("its volumes' lengths are beyond any file")?;
        }
        if start != data.end {
            let (have, are) = (start - data.start, data.end - data.start);
            return Err(format!("its volumes have {have} bytes, but there are {are}"));
        }
        Ok(Self { index, starts, file: section.file().clone() })
    }

    /// A volume's own file.
    pub(crate) fn volume(&self, number: usize) -> Arc<dyn ReadAt> {
        let (start, length) = (self.starts[number], self.index.lengths[number]);
        Arc::new(ByteWindow::new(self.file.clone(), start, length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::File;
    use std::path::Path;

    fn array(name: &str, components: &[&str]) -> ArrayInfo {
        ArrayInfo { name: name.into(), components: components.iter().map(|&c| c.into()).collect() }
    }

    #[test]
    fn an_index_comes_back_and_every_bit_of_it_is_checked() {
        let arrays = vec![array("p", &[""]), array("v", &["x", "y", "z"])];
        let mut index = DatasetIndex::new(arrays, 3, Some(vec![-1.0, 0.5, 7.0])).unwrap();
        assert_eq!((index.len(), index.number(1, 2, 0), index.number(0, 0, 2)), (12, 3, 8));
        (0..12).for_each(|volume| index.set_length(volume, volume as u64));
        let mut file = index.file_start();
        let start = file.len();
        file.extend((0..12u8).flat_map(|n| vec![n; n.into()]));
        let read = |bytes: &[u8]| File::read(Arc::new(bytes.to_vec()), Path::new("a file"));
        let Ok(File::Dataset(stored)) = read(&file) else { panic!("one volume") };
        assert_eq!(stored.index, index);
        for volume in 0..12 {
            let window = stored.volume(volume);
            let mut bytes = vec![0; window.length().unwrap() as usize];
            window.read_exact_at(&mut bytes, 0).unwrap();
            assert_eq!(bytes, vec![volume as u8; volume]);
        }
        for at in 0..start {
            let mut changed = file.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(read(&changed).is_err(), "byte {at}");
        }
        assert!(read(&file[..file.len() - 1]).is_err());
    }

    #[test]
    fn what_no_file_may_hold_is_refused() {
        let one = || vec![array("a", &[""])];
        for (arrays, steps, times) in [
            (vec![], 1, None),
            (vec![array("a", &[])], 1, None),
            (vec![array("a", &["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"])], 1, None),
            (vec![array("a", &[""]), array("a", &[""])], 1, None),
            (one(), 0, None),
            (one(), MOST_VOLUMES + 1, None),
            (one(), 2, Some(vec![1.0])),
            (one(), 2, Some(vec![1.0, 1.0])),
            (one(), 2, Some(vec![1.0, f64::NAN])),
        ] {
            assert!(DatasetIndex::new(arrays.clone(), steps, times.clone()).is_err(), "{arrays:?} {times:?}");
        }
    }
}
