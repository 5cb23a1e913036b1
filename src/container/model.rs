//! Section MODL: the model's architecture, its rounding steps, its coded parameters.

use super::bytes::Fields;
use super::sections::StoredSection;
use crate::codec::{MAX_INTEGER, decode_group, encode_group};
use crate::field::{Encoding, Field, Model, Network, NetworkKind, ParameterGroup, Rounding};
use crate::storage::{Fault, Streams};
use half::f16;
use rayon::prelude::*;

/// A bound for files: 2^28 parameters are 1 GiB in memory.
pub(crate) const MAX_PARAMETERS: usize = 1 << 28;

/// A byte of a stream holds no more parameters than this, so that a small file cannot ask for gigabytes. The least that
/// a parameter costs is one decision at 65472 / 65536, 0.0014 bits, which is 5678 a byte: only cut zeros come near.
const PARAMETERS_A_BYTE: usize = 8192;

/// A model whose parameters are still coded.
#[derive(Clone)]
pub(crate) struct StoredModel {
    pub(crate) model: Model,
    /// Rounding step of each group: value = integer * step. 0 where the group is binary16.
    steps: Vec<f32>,
    /// One a group.
    streams: Streams,
}

impl StoredModel {
    /// Codes a field whose parameters are rounded so, group by group; what is not rounded goes to binary16.
    pub(crate) fn encode(field: &Field, roundings: &[Rounding]) -> Self {
        let groups = field.model.groups();
        let coded: Vec<Vec<u8>> = groups
            .par_iter()
            .zip(roundings)
            .map(|(group, &rounding)| match rounding {
                Rounding::Step(step) => {
                    let mut stream = encode_group(group, &integers(field, group, step));
                    stream.resize(stream.len().max(group.range.len() / PARAMETERS_A_BYTE), 0);
                    stream
                }
                Rounding::Half | Rounding::None => {
                    // A run that diverged must not end the process, as in `integers`.
                    let half =
                        |&v: &f32| f16::from_f32(if v.is_nan() { 0.0 } else { Rounding::Half.nearest(v) });
                    field.parameters[group.range.clone()].iter().flat_map(|v| half(v).to_le_bytes()).collect()
                }
            })
            .collect();
        let step = |rounding: &Rounding| if let Rounding::Step(step) = *rounding { step } else { 0.0 };
        Self {
            model: field.model.clone(),
            steps: roundings.iter().map(step).collect(),
            streams: Streams::new(coded),
        }
    }

    /// The coded parameters, a stream a group.
    pub(crate) fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Bytes that decoding and evaluating takes: the parameters as integers, as floats, group by group and together.
    pub(crate) fn decoding_bytes(&self) -> u64 {
        16 * self.model.parameter_count() as u64
    }

    /// Decodes the parameters, groups in parallel.
    ///
    /// # Errors
    /// When a stream cannot be read, or holds what no encoder writes.
    pub(crate) fn decode(&self) -> Result<Field, Fault> {
        let groups = self.model.groups();
        let mut streams = Vec::with_capacity(groups.len());
        let all: Vec<usize> = (0..groups.len()).collect();
        self.streams.read_each(&all, |_, stream| streams.push(stream.map(<[u8]>::to_vec)))?;
        let streams = streams.into_iter().collect::<Result<Vec<Vec<u8>>, Fault>>()?;
        let jobs: Vec<_> = groups.iter().zip(&self.steps).zip(streams).collect();
        let decoded: Vec<Vec<f32>> = jobs
            .into_par_iter()
            .map(|((group, &step), stream)| {
                if step == 0.0 {
                    return Ok(halves(&stream)?);
                }
                let integers = decode_group(group, &stream)?;
                Ok(integers.into_iter().map(|q| q as f32 * step).collect())
            })
            .collect::<Result<_, Fault>>()?;
        Ok(Field { model: self.model.clone(), parameters: decoded.concat() })
    }

    /// What of the section is no stream.
    pub(super) fn section(&self) -> Vec<u8> {
        let mut descriptor = Vec::new();
        self.model.encoding.write_descriptor(&mut descriptor);
        let mut out = (descriptor.len() as u16).to_le_bytes().to_vec();
        out.extend(descriptor);
        let network = &self.model.network;
        out.push(network.kind().code());
        out.extend((network.width() as u16).to_le_bytes());
        out.push(network.hidden_layers() as u8);
        out.extend((self.steps.len() as u16).to_le_bytes());
        self.steps.iter().for_each(|step| out.extend(step.to_le_bytes()));
        out
    }

    pub(super) fn parse(section: StoredSection<'_>) -> Result<Self, String> {
        let mut fields = Fields::new(section.bytes);
        let descriptor_length = fields.u16("the encoding's descriptor")?;
        let encoding = Encoding::parse_descriptor(fields.bytes(descriptor_length.into(), "the descriptor")?)?;
        let code = fields.u8("network")?;
        let kind = NetworkKind::from_code(code)
            .ok_or_else(|| format!("network {code} is unknown to this version of neuvol"))?;
        let width = fields.u16("width")?.into();
        let hidden_layers = fields.u8("hidden layers")?.into();
        Network::new(kind, encoding.width(), width, hidden_layers).check()?;
        let model = Model::with(kind, encoding, width, hidden_layers);
        if model.parameter_count() > MAX_PARAMETERS {
            return Err(format!("a model of {} parameters is too large", model.parameter_count()));
        }
        let groups = model.groups().len();
        let count = usize::from(fields.u16("group count")?);
        if count != groups {
            return Err(format!("the model has {groups} groups of parameters, the section {count}"));
        }
        let mut steps = Vec::new();
        for _ in 0..count {
            let step = fields.f32("rounding step")?;
            if !(step.is_finite() && step >= 0.0) {
                return Err(format!("invalid rounding step {step}"));
            }
            steps.push(step);
        }
        let streams = section.streams(fields.rest(), count)?;
        for (n, (group, &step)) in model.groups().iter().zip(&steps).enumerate() {
            let length = streams.length(n);
            if step == 0.0 && length != 2 * group.range.len() {
                return Err(format!(
                    "a group of {} parameters in half precision has {length} bytes",
                    group.range.len()
                ));
            }
            if group.range.len() / PARAMETERS_A_BYTE > length {
                return Err(format!(
                    "{length} bytes cannot hold a group of {} parameters",
                    group.range.len()
                ));
            }
        }
        Ok(Self { model, steps, streams })
    }
}

/// Parameters in binary16.
fn halves(stream: &[u8]) -> Result<Vec<f32>, String> {
    let values = stream.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32());
    let values: Vec<f32> = values.collect();
    match values.iter().all(|v| v.is_finite()) {
        true => Ok(values),
        false => Err("a parameter in half precision is not finite".into()),
    }
}

/// A group's values in units of its step.
fn integers(field: &Field, group: &ParameterGroup, step: f32) -> Vec<i32> {
    // A run that diverged must not end the process: what it gives is measured, and found bad, like any other result.
    let integer = |v: &f32| ((v / step).round_ties_even() as i32).clamp(-MAX_INTEGER, MAX_INTEGER);
    field.parameters[group.range.clone()].iter().map(integer).collect()
}
