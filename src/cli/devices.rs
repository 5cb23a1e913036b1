//! `neuvol devices`.

use super::report;
use anyhow::Result;
use neuvol::engine::cpu::Cpu;
use neuvol::engine::device::{CudaDevice, cuda_devices};

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let cpu = Cpu::new(0)?;
    let cuda = cuda_devices();
    if arguments.json { print_json(&cpu, cuda) } else { print_text(&cpu, cuda) }
}

fn print_text(cpu: &Cpu, cuda: neuvol::Result<Vec<CudaDevice>>) -> Result<()> {
    let threads = cpu.threads();
    say!("cpu     {threads} {}, {}", if threads == 1 { "thread" } else { "threads" }, cpu.isa().name());
    match cuda {
        Err(why) => say!("cuda    cannot be used: {why}"),
        Ok(devices) => {
            for device in devices {
                let ((major, minor), driver) = (device.capability, device.driver);
                let problem = device.problem.map_or(String::new(), |why| format!("; cannot be used: {why}"));
                say!(
                    "cuda:{}  {}, {}, compute capability {major}.{minor}, driver for CUDA {}.{}{problem}",
                    device.number,
                    device.name,
                    report::bytes(device.memory_bytes as u64),
                    driver.0,
                    driver.1
                );
            }
        }
    }
    Ok(())
}

fn print_json(cpu: &Cpu, cuda: neuvol::Result<Vec<CudaDevice>>) -> Result<()> {
    let (devices, why) = match cuda {
        Ok(devices) => (devices, None),
        Err(why) => (Vec::new(), Some(why.to_string())),
    };
    let devices = devices.into_iter().map(|device| {
        serde_json::json!({
            "device": format!("cuda:{}", device.number),
            "name": device.name,
            "memory_bytes": device.memory_bytes,
            "compute_capability": [device.capability.0, device.capability.1],
            "driver_cuda_version": [device.driver.0, device.driver.1],
            "usable": device.problem.is_none(),
            "problem": device.problem,
        })
    });
    let json = serde_json::json!({
        "cpu": { "threads": cpu.threads(), "instruction_set": cpu.isa().name() },
        "cuda": devices.collect::<Vec<_>>(),
        "cuda_problem": why,
    });
    say!("{json:#}");
    Ok(())
}
