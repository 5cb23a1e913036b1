//! NVRTC compiles kernels where there is no GPU. `cargo xtask test` runs this with what it needs; `cargo xtask torch`
//! prints that. Without it the tests say SKIPPED.

#![expect(unsafe_code, reason = "cudarc has no safe function for machine code")]

use cudarc::nvrtc::{CompileError, CompileOptions, compile_ptx_with_opts, result, sys};
use std::ffi::CString;

const HALVES: &str = r#"
#include <cuda_fp16.h>

extern "C" __global__ void scale(__half *values, float factor, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        values[i] = __hmul(values[i], __float2half(factor));
    }
}
"#;

/// The folder of `cuda_fp16.h`. None, and the reason said, when nothing is set up.
fn include(test: &str) -> Option<String> {
    let Ok(folder) = std::env::var("NEUVOL_NVRTC_INCLUDE") else {
        eprintln!("SKIPPED {test}: NEUVOL_NVRTC_INCLUDE is not set");
        return None;
    };
    // SAFETY: loading NVRTC runs no code of it that asks anything of the caller.
    assert!(unsafe { sys::is_culib_present() }, "NEUVOL_NVRTC_INCLUDE is set, but libnvrtc is not found");
    Some(folder)
}

/// Machine code for one architecture, like `sm_90`.
fn cubin(source: &str, architecture: &str, include: &str) -> Result<Vec<u8>, result::NvrtcError> {
    let source = CString::new(source).expect("no NUL in a kernel");
    let options = [format!("--gpu-architecture={architecture}"), format!("--include-path={include}")];
    let mut program = result::create_program(&source, None)?;
    // SAFETY: the program is used between its creation and its destruction only, its source lives longer, and the
    // buffer has the size that NVRTC asks for.
    unsafe {
        let code = result::compile_program(program, &options).and_then(|()| {
            let mut size = 0;
            sys::nvrtcGetCUBINSize(program, &mut size).result()?;
            let mut code = vec![0_u8; size];
            sys::nvrtcGetCUBIN(program, code.as_mut_ptr().cast()).result()?;
            Ok(code)
        });
        sys::nvrtcDestroyProgram(&mut program).result()?;
        code
    }
}

#[test]
fn a_kernel_with_halves_becomes_ptx() {
    let Some(include) = include("a_kernel_with_halves_becomes_ptx") else { return };
    let options =
        CompileOptions { include_paths: vec![include], arch: Some("compute_80"), ..Default::default() };
    let ptx = compile_ptx_with_opts(HALVES, options).expect("compiles").to_src();
    for part in [".target sm_80", ".visible .entry scale(", "mul.f16"] {
        assert!(ptx.contains(part), "no {part} in\n{ptx}");
    }
}

#[test]
fn a_kernel_with_halves_becomes_machine_code() {
    let Some(include) = include("a_kernel_with_halves_becomes_machine_code") else { return };
    let codes = ["sm_80", "sm_90"].map(|architecture| {
        let code = cubin(HALVES, architecture, &include).expect("compiles");
        // An ELF file for a GPU: e_machine is EM_CUDA.
        assert_eq!(
            (&code[..4], &code[18..20]),
            (&b"\x7fELF"[..], &190_u16.to_le_bytes()[..]),
            "{architecture}"
        );
        assert!(code.windows(11).any(|bytes| bytes == b".text.scale"), "{architecture}");
        code
    });
    assert_ne!(codes[0], codes[1], "each has its own instructions");
}

#[test]
fn an_error_in_a_kernel_is_told() {
    let Some(include) = include("an_error_in_a_kernel_is_told") else { return };
    let options = CompileOptions { include_paths: vec![include], ..Default::default() };
    let error =
        compile_ptx_with_opts(HALVES.replace("__hmul", "__hmull"), options).expect_err("no such function");
    let CompileError::CompileError { log, .. } = error else { panic!("{error:?}") };
    assert!(log.to_string_lossy().contains("\"__hmull\" is undefined"), "{log:?}");
}
