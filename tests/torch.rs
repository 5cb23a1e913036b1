//! libtorch, through tch, on the CPU. `cargo xtask test` runs this with what it needs; `cargo xtask torch` prints that.

#![expect(unsafe_code, reason = "tch has no function for libtorch's version")]

use tch::{Device, Kind, Tensor};

unsafe extern "C" {
    // torch/csrc/inductor/aoti_torch/c/shim.h
    fn aoti_torch_abi_version() -> u64;
}

#[test]
fn the_libtorch_that_is_loaded_is_2_11() {
    // SAFETY: the function takes nothing and returns a constant.
    let version = unsafe { aoti_torch_abi_version() };
    // A byte each for major, minor and patch; torch/headeronly/version.h.
    let [major, minor, ..] = version.to_be_bytes();
    assert_eq!((major, minor), (2, 11));
}

#[test]
fn tensors_are_added_on_the_cpu() {
    let a = Tensor::from_slice(&[1.5_f32, -2.0, 0.25]).to_device(Device::Cpu);
    let b = Tensor::from_slice(&[0.5_f32, 2.0, 4.0]).to_device(Device::Cpu);
    let sum = &a + &b;
    assert_eq!((sum.device(), sum.kind()), (Device::Cpu, Kind::Float));
    assert_eq!(Vec::<f32>::try_from(sum).expect("one axis"), [2.0, 0.0, 4.25]);
}
