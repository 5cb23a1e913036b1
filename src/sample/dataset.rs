//! [`NeuralDataset`]: an open `.nvol` file of several arrays, components and time steps.

use super::{NeuralVolume, OpenOptions};
use crate::container::{ArrayInfo, Body, Contents, File, IntegerBricks, StepBefore, StoredDataset, Unread};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::latents::LatentReader;
use crate::storage::ReadAt;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// An open `.nvol` file: arrays by name, each of one to nine components, over time steps. A volume is a component of an array at
/// a time step; a file of a single volume has one of each.
///
/// ```no_run
/// # fn main() -> neuvol::Result<()> {
/// let flow = neuvol::NeuralDataset::open("flow.nvol")?;
/// for (step, array) in (0..flow.steps()).zip(std::iter::repeat(0)) {
///     let [_u, _v, _w] = [0, 1, 2].map(|component| flow.volume(array, component, step));
/// }
/// # Ok(()) }
/// ```
pub struct NeuralDataset {
    path: PathBuf,
    file_bytes: u64,
    arrays: Vec<ArrayInfo>,
    times: Option<Vec<f64>>,
    steps: usize,
    stored: Stored,
    options: OpenOptions,
    engine: Arc<dyn Engine>,
    /// By array and component: the step that was opened last, whose decoded blocks the next one is read by.
    recent: Mutex<HashMap<(usize, usize), (usize, StepBefore)>>,
}

/// Steps that are read at most before the one that is asked for: those that it follows.
const MOST_FOLLOWED: usize = 255;
/// Bytes that decoded blocks of a step that another one follows may take, for each hundred voxels: what the later step has
/// taken over is forgotten.
const BLOCK_BYTES_BEFORE: usize = 25;

enum Stored {
    /// The file is one volume's.
    Volume(Box<Contents>),
    Several(StoredDataset),
}

impl NeuralDataset {
    /// Opens a file on the CPU, on the threads that the process shares.
    ///
    /// # Errors
    /// As for [`NeuralVolume::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, OpenOptions::default())
    }

    /// Opens a file as [`OpenOptions`] say; what they choose of it says nothing here.
    ///
    /// # Errors
    /// As for [`NeuralVolume::open`].
    pub fn open_with(path: impl AsRef<Path>, options: impl Into<OpenOptions>) -> Result<Self> {
        let path = path.as_ref();
        let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
        Self::open_source(Arc::new(file), path, options)
    }

    /// Opens a file whose bytes come from anywhere; `path` is for messages. Header and index are read now.
    ///
    /// # Errors
    /// As for [`NeuralVolume::open`].
    pub fn open_source(
        source: Arc<dyn ReadAt>,
        path: impl AsRef<Path>,
        options: impl Into<OpenOptions>,
    ) -> Result<Self> {
        let (path, options) = (path.as_ref(), options.into());
        let engine = options.engine()?;
        let file_bytes = source.length().map_err(|e| Error::io(path, e))?;
        let (arrays, steps, times, stored) = match File::read(source, path)? {
            File::Volume(contents) => {
                let name = contents.description.name.clone();
                let array = ArrayInfo { name, components: vec![String::new()] };
                (vec![array], 1, None, Stored::Volume(contents))
            }
            File::Dataset(stored) => {
                let index = &stored.index;
                (index.arrays.clone(), index.steps, index.times.clone(), Stored::Several(stored))
            }
        };
        let recent = Mutex::default();
        Ok(Self { path: path.to_owned(), file_bytes, arrays, times, steps, stored, options, engine, recent })
    }

    /// The arrays, in the file's order.
    pub fn arrays(&self) -> &[ArrayInfo] {
        &self.arrays
    }

    /// How many time steps there are, 1 or more.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The time steps' times, ascending; `None` where the file does not say them.
    pub fn times(&self) -> Option<&[f64]> {
        self.times.as_deref()
    }

    /// The file's size.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// True for a file of several volumes, even if there is only one.
    pub fn is_of_several(&self) -> bool {
        matches!(self.stored, Stored::Several(_))
    }

    /// Opens a component of an array at a time step, all counted from 0.
    ///
    /// # Errors
    /// [`Error::Options`] for one that is not there; as for [`NeuralVolume::open`].
    pub fn volume(&self, array: usize, component: usize, step: usize) -> Result<NeuralVolume> {
        let options = OpenOptions { engine: Some(self.engine.clone()), ..self.options.clone() };
        let there = self.arrays.get(array).is_some_and(|array| component < array.components.len());
        if !there || step >= self.steps {
            return Err(Error::Options(format!(
                "{}: there is no component {component} of array {array} at time step {step}",
                self.path.display()
            )));
        }
        match &self.stored {
            Stored::Volume(contents) => {
                let contents = Contents::clone(contents);
                NeuralVolume::of_contents(contents, None, &self.path, self.file_bytes, options)
            }
            Stored::Several(stored) => {
                let source = stored.volume(stored.index.number(array, component, step));
                let bytes = source.length().map_err(|e| Error::io(&self.path, e))?;
                let unread = Unread::new(source, &self.path)?;
                let before = match unread.follows() {
                    true => Some(self.step_before(stored, (array, component), step)?),
                    false => None,
                };
                let mut contents = self.contents(&unread, before.as_ref())?;
                contents.description.name.clone_from(&self.arrays[array].name);
                let base = match &contents.body {
                    Some(Body::Differences(base, bricks)) => {
                        Some(self.base(stored, (array, usize::from(*base), step), bricks)?)
                    }
                    _ => None,
                };
                let volume = NeuralVolume::of_contents(contents, base, &self.path, bytes, options)?;
                if let Some(before) = volume.as_step_before().filter(|_| self.steps > 1) {
                    let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
                    recent.insert((array, component), (step, before));
                }
                Ok(volume)
            }
        }
    }

    /// What a step is read by: the one before, and those that this one follows.
    fn step_before(
        &self,
        stored: &StoredDataset,
        (array, component): (usize, usize),
        step: usize,
    ) -> Result<StepBefore> {
        let recent = {
            let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.get(&(array, component)).cloned()
        };
        let (mut files, mut known) = (Vec::new(), None);
        for earlier in (0..step).rev().take(MOST_FOLLOWED) {
            known = recent.as_ref().filter(|(step, _)| *step == earlier).map(|(_, before)| before.clone());
            if known.is_some() {
                break;
            }
            let file =
                Unread::new(stored.volume(stored.index.number(array, component, earlier)), &self.path)?;
            let follows = file.follows();
            files.push(file);
            if !follows {
                break;
            }
        }
        if known.is_none() && files.last().is_none_or(Unread::follows) {
            return Err(self.damaged("a step follows others, of which none can be read alone"));
        }
        for file in files.iter().rev() {
            let contents = self.contents(file, known.as_ref())?;
            let Some(Body::Latents(streams) | Body::Corrected(streams, _)) = contents.body else {
                return Err(self.damaged("a step follows one that has no latent grid"));
            };
            let bound = contents.description.voxels() as usize / 100 * BLOCK_BYTES_BEFORE;
            known = Some(StepBefore {
                description: Arc::new(contents.description),
                reader: Arc::new(LatentReader::new(streams, bound)),
            });
        }
        known.ok_or_else(|| self.damaged("a step follows one that is not there"))
    }

    /// Opens what is chosen by name and number, or the only one there is.
    ///
    /// # Errors
    /// [`Error::Options`] that lists what there is; as for [`NeuralVolume::open`].
    pub fn choose(
        &self,
        array: Option<&str>,
        component: Option<usize>,
        step: Option<usize>,
    ) -> Result<NeuralVolume> {
        let (array, component, step) = self.chosen(array, component, step)?;
        self.volume(array, component, step)
    }

    fn chosen(
        &self,
        array: Option<&str>,
        component: Option<usize>,
        step: Option<usize>,
    ) -> Result<(usize, usize, usize)> {
        let fail = |what: String| Err(Error::Options(format!("{}: {what}", self.path.display())));
        let names = || self.arrays.iter().map(|a| format!("'{}'", a.name)).collect::<Vec<_>>().join(", ");
        let array = match array {
            None if self.arrays.len() == 1 => 0,
            None => return fail(format!("it holds the arrays {}; choose one with `array`", names())),
            Some(name) => match self.arrays.iter().position(|array| array.name == name) {
                Some(array) => array,
                None => return fail(format!("there is no array '{name}'; it holds {}", names())),
            },
        };
        let components = &self.arrays[array].components;
        let named = |n: usize| match components[n].as_str() {
            "" => n.to_string(),
            name => format!("{n} ({name})"),
        };
        let list = || (0..components.len()).map(named).collect::<Vec<_>>().join(", ");
        let of_array = format!("array '{}'", self.arrays[array].name);
        let component = match component {
            None if components.len() == 1 => 0,
            None => {
                return fail(format!(
                    "{of_array} has the components {}; choose one with `component`",
                    list()
                ));
            }
            Some(n) if n < components.len() => n,
            Some(n) => return fail(format!("{of_array} has no component {n}; it has {}", list())),
        };
        let last = self.steps - 1;
        let step = match step {
            None if self.steps == 1 => 0,
            None => {
                return fail(format!(
                    "it holds {} time steps; choose one with `time_step` 0 to {last}",
                    self.steps
                ));
            }
            Some(step) if step < self.steps => step,
            Some(step) => return fail(format!("there is no time step {step}; it holds 0 to {last}")),
        };
        Ok((array, component, step))
    }

    fn contents(&self, file: &Unread<'_>, before: Option<&StepBefore>) -> Result<Contents> {
        match file.read(before)? {
            File::Volume(mut contents) => {
                if let Some(Body::Latents(streams) | Body::Corrected(streams, _)) = &mut contents.body {
                    streams.has_next = self.steps > 1;
                }
                Ok(*contents)
            }
            File::Dataset(_) => Err(self.damaged("a file of several volumes is inside of another one")),
        }
    }

    /// The samples that another component's differences are from.
    fn base(
        &self,
        stored: &StoredDataset,
        (array, component, step): (usize, usize, usize),
        differences: &IntegerBricks,
    ) -> Result<IntegerBricks> {
        if component >= self.arrays[array].components.len() {
            return Err(self.damaged("a component is differences to one that is not there"));
        }
        let source = stored.volume(stored.index.number(array, component, step));
        match self.contents(&Unread::new(source, &self.path)?, None)?.body {
            Some(Body::Integers(base))
                if base.scale().is_exact()
                    && base.scale().sample_type == differences.scale().sample_type
                    && base.grid() == differences.grid() =>
            {
                Ok(base)
            }
            _ => Err(self
                .damaged("a component is differences to one of another grid or type, or that is not exact")),
        }
    }

    fn damaged(&self, what: &str) -> Error {
        Error::Section { path: self.path.clone(), section: "VOLS".into(), what: what.into() }
    }
}
