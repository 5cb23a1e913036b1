//! Which engine evaluates: asked for by name, or what this machine has.

use super::cpu::Cpu;
pub use super::cuda_device::CudaDevice;
use super::{Engine, TrainingEngine};
use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Where fields are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Device {
    /// The first CUDA device that can be used, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A CUDA device, by its number from 0.
    Cuda(usize),
}

/// Why a build without the feature has no CUDA.
#[cfg(not(feature = "cuda"))]
pub(crate) const NOT_BUILT: &str = "this neuvol was built without CUDA (Cargo's feature cuda)";

impl Device {
    /// The engine, with `threads` threads of the CPU (0: those that the process shares, as [`Cpu::new`] says). `Auto` looks for a CUDA device when a field is to be
    /// evaluated; where it finds none, it says so in one line of the log and takes the CPU.
    ///
    /// # Errors
    /// [`Error::Device`] when a CUDA device was asked for that cannot be had, with the reason; [`Error::Options`] when the
    /// operating system gives no threads.
    pub fn engine(self, threads: usize) -> Result<Arc<dyn Engine>> {
        self.engine_beside(Cpu::new(threads)?)
    }

    /// The engine, with the threads of an engine that is there; that one, where it is to be the CPU.
    ///
    /// # Errors
    /// As for [`Self::engine`].
    pub fn engine_beside(self, cpu: Cpu) -> Result<Arc<dyn Engine>> {
        match self {
            Device::Cpu => Ok(Arc::new(cpu)),
            Device::Cuda(number) => cuda(number, &cpu),
            Device::Auto => Ok(auto(cpu)),
        }
    }

    /// [`Self::engine_beside`], but where a CUDA device cannot be had it is the CPU, and a sentence that says why: for viewers,
    /// whose settings outlive the machine that they were made on.
    ///
    /// # Errors
    /// [`Error::Options`] when the operating system gives no threads.
    pub fn engine_or_cpu(self, cpu: Cpu) -> Result<(Arc<dyn Engine>, Option<String>)> {
        match self.engine_beside(cpu.clone()) {
            Err(Error::Device(why)) => {
                Ok((Arc::new(cpu), Some(format!("evaluating on the CPU, not on {self}: {why}"))))
            }
            engine => Ok((engine?, None)),
        }
    }
}

/// Why a build without the feature cannot train on CUDA.
#[cfg(not(feature = "torch"))]
const CANNOT_TRAIN: &str = "this neuvol was built without training on CUDA (Cargo's feature torch)";

impl Device {
    /// The engine that trains: as [`Self::engine`], but a CUDA device needs a build with the feature `torch`.
    ///
    /// # Errors
    /// As for [`Self::engine`].
    pub fn training_engine(self, threads: usize) -> Result<Arc<dyn TrainingEngine>> {
        self.training_engine_beside(Cpu::new(threads)?)
    }

    /// [`Self::training_engine`] with the threads of an engine that is there; that one, where it is to be the CPU.
    ///
    /// # Errors
    /// As for [`Self::engine`].
    pub fn training_engine_beside(self, cpu: Cpu) -> Result<Arc<dyn TrainingEngine>> {
        let on_cuda = match self {
            Device::Cpu => return Ok(Arc::new(cpu)),
            Device::Cuda(number) => torch(number, &cpu),
            Device::Auto => torch(0, &cpu),
        };
        match on_cuda {
            Err(Error::Device(why)) if self == Device::Auto => {
                log::info!("training on the CPU: {why}");
                Ok(Arc::new(cpu))
            }
            engine => engine,
        }
    }
}

#[cfg(feature = "torch")]
fn torch(number: usize, cpu: &Cpu) -> Result<Arc<dyn TrainingEngine>> {
    use super::torch::{Precision, Torch};
    Ok(Arc::new(Torch::on_cuda_beside(number, cpu.clone(), Precision::Mixed)?))
}

#[cfg(not(feature = "torch"))]
fn torch(_number: usize, _cpu: &Cpu) -> Result<Arc<dyn TrainingEngine>> {
    Err(Error::Device(CANNOT_TRAIN.into()))
}

#[cfg(feature = "cuda")]
fn cuda(number: usize, cpu: &Cpu) -> Result<Arc<dyn Engine>> {
    Ok(Arc::new(super::cuda::Cuda::beside(number, cpu)?))
}

#[cfg(feature = "cuda")]
fn auto(cpu: Cpu) -> Arc<dyn Engine> {
    Arc::new(super::auto::Auto::new(cpu))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_number: usize, _cpu: &Cpu) -> Result<Arc<dyn Engine>> {
    Err(Error::Device(NOT_BUILT.into()))
}

#[cfg(not(feature = "cuda"))]
fn auto(cpu: Cpu) -> Arc<dyn Engine> {
    log::info!("evaluating on the CPU: {NOT_BUILT}");
    Arc::new(cpu)
}

/// The CUDA devices of this machine.
///
/// # Errors
/// [`Error::Device`] when no device can be had, with the reason: a build without CUDA, no driver, no device.
pub fn cuda_devices() -> Result<Vec<CudaDevice>> {
    #[cfg(feature = "cuda")]
    return super::cuda::devices();
    #[cfg(not(feature = "cuda"))]
    Err(Error::Device(NOT_BUILT.into()))
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = match text {
            "auto" => return Ok(Device::Auto),
            "cpu" => return Ok(Device::Cpu),
            "cuda" => Some(0),
            other => other.strip_prefix("cuda:").and_then(|number| number.parse().ok()),
        };
        number.map(Device::Cuda).ok_or_else(|| "auto, cpu, cuda or cuda:N is needed".into())
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Auto => f.write_str("auto"),
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::encoding::{AxisWise, Wave};
    use crate::field::{Encoding, Field, Model};

    #[test]
    fn devices_are_read_and_written() {
        for (text, device) in [
            ("auto", Device::Auto),
            ("cpu", Device::Cpu),
            ("cuda:0", Device::Cuda(0)),
            ("cuda:12", Device::Cuda(12)),
        ] {
            assert_eq!(text.parse(), Ok(device));
            assert_eq!(device.to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for bad in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"] {
            assert!(bad.parse::<Device>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_device_that_cannot_be_had_is_an_error_or_the_cpu() {
        let Err(Error::Device(why)) = Device::Cuda(4096).engine(1) else { panic!("no such device") };
        assert!(why.contains("built without CUDA") || why.contains("driver"), "{why}");
        let cpu = Cpu::new(1).unwrap();
        let (engine, note) = Device::Cuda(4096).engine_or_cpu(cpu.clone()).unwrap();
        assert_eq!((engine.name(), note.is_some_and(|note| note.contains(&why))), ("cpu", true));
        assert!(Device::Cpu.engine_or_cpu(cpu).unwrap().1.is_none());
        assert_eq!(Device::Cpu.engine(1).map(|engine| engine.name()).ok(), Some("cpu"));
        let expected = match cuda_devices() {
            Ok(devices) if devices.iter().any(|device| device.problem.is_none()) => "cuda",
            _ => "cpu",
        };
        let auto = Device::Auto.engine(1).unwrap();
        let before = if cfg!(feature = "cuda") { "auto" } else { "cpu" };
        assert_eq!(auto.name(), before, "nobody has asked for anything");
        let model = Model::new(Encoding::AxisWise(AxisWise::usual(Wave::Identity)), 16, 1);
        let parameters = vec![0.5; model.parameter_count()];
        auto.evaluator(&Field { model, parameters }).unwrap();
        assert_eq!(auto.name(), expected);
    }
}
