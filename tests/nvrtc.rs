//! Every kernel, compiled by NVRTC where there is no GPU; the PTX in the tree is that of the kernels. `cargo xtask test` runs
//! this with what it needs; `cargo xtask torch` prints that. Without it the tests say SKIPPED.

#![expect(unsafe_code, reason = "cudarc has no safe function for machine code")]

use cudarc::nvrtc::{result, sys};
use std::ffi::{CStr, CString};
use std::path::Path;

/// The kernels; beside each lies its PTX, for a GPU of that compute capability and every later one.
const KERNELS: [(&str, &str, &str); 6] = [
    ("src/engine/cuda/decode.cu", "75", "src/engine/cuda/decode.ptx"),
    ("src/engine/cuda/tensor_decode.cu", "80", "src/engine/cuda/tensor_decode.ptx"),
    ("src/engine/cuda/store.cu", "75", "src/engine/cuda/store.ptx"),
    (STEP, "75", "src/engine/torch/step.ptx"),
    (FUSED, "80", "src/engine/torch/fused.80.ptx"),
    (FUSED, "90", "src/engine/torch/fused.90.ptx"),
];
const STEP: &str = "src/engine/torch/step.cu";
const FUSED: &str = "src/engine/torch/fused.cu";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

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

/// PTX and, for an architecture like `sm_90`, machine code. The error is the compiler's log.
fn compile(source: &str, architecture: &str, include: &str) -> Result<(String, Vec<u8>), String> {
    let source = CString::new(source).expect("no NUL in a kernel");
    let own = |folder| format!("--include-path={}", root().join(folder).display());
    let options = [
        format!("--gpu-architecture={architecture}"),
        "--std=c++17".into(),
        format!("--include-path={include}"),
        own("src/engine/cuda"),
        own("src/engine/torch"),
    ];
    let mut program = result::create_program(&source, None).expect("a program");
    // SAFETY: the program is used between its creation and its destruction only, its source lives longer, and the buffers
    // have the sizes that NVRTC asks for.
    unsafe {
        let made = match result::compile_program(program, &options) {
            Err(_) => {
                let log = result::get_program_log(program).expect("a log");
                Err(CStr::from_ptr(log.as_ptr()).to_string_lossy().into_owned())
            }
            Ok(()) => {
                let ptx = result::get_ptx(program).expect("PTX");
                let ptx = ptx.iter().map(|&c| c as u8).take_while(|&c| c != 0).collect();
                let mut size = 0;
                sys::nvrtcGetCUBINSize(program, &mut size).result().expect("a size");
                let mut code = vec![0_u8; size];
                if size > 0 {
                    sys::nvrtcGetCUBIN(program, code.as_mut_ptr().cast()).result().expect("machine code");
                }
                Ok((String::from_utf8(ptx).expect("PTX is text"), code))
            }
        };
        sys::nvrtcDestroyProgram(&mut program).result().expect("destroyed");
        made
    }
}

fn source(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).expect("the kernels")
}

fn kept(ptx_file: &str) -> String {
    std::fs::read_to_string(root().join(ptx_file)).expect("the PTX")
}

/// The names of a file's kernels, as its own text has them.
fn names(ptx: &str) -> Vec<&str> {
    let entries = ptx.split(".visible .entry ").skip(1);
    entries.map(|entry| entry.split('(').next().unwrap_or_default()).collect()
}

/// Without the comment on its top, which names the compiler's build.
fn body(ptx: &str) -> &str {
    &ptx[ptx.find(".version").expect("PTX has a version")..]
}

/// What compilations of one kernel give, until one is `enough` or there are so many: NVRTC numbers the registers of some
/// kernels in one of several ways, by chance, three of forty times another than usual.
fn compilations(
    source: &str,
    architecture: &str,
    include: &str,
    enough: impl Fn(&[String]) -> bool,
) -> Vec<String> {
    const MOST: usize = 8;
    let mut found = Vec::new();
    while found.len() < MOST && !enough(&found) {
        let (ptx, _) = compile(source, architecture, include).unwrap_or_else(|log| panic!("{log}"));
        found.push(body(&ptx).to_owned());
    }
    found
}

/// With NEUVOL_WRITE_PTX set, as `cargo xtask ptx` does, writes it instead.
#[test]
fn the_ptx_in_the_tree_is_that_of_the_kernels() {
    const TEST: &str = "the_ptx_in_the_tree_is_that_of_the_kernels";
    let Some(include) = include(TEST) else { return };
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the function writes to the two numbers that it is given.
    unsafe { sys::nvrtcVersion(&mut major, &mut minor) }.result().expect("a version");
    let is_written = std::env::var_os("NEUVOL_WRITE_PTX").is_some();
    if !is_written && (major, minor) != (13, 0) {
        eprintln!("SKIPPED {TEST}: NVRTC is {major}.{minor}, not 13.0");
        return;
    }
    for (file, capability, ptx_file) in KERNELS {
        let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
        let (source, architecture) = (source(file), format!("compute_{capability}"));
        let with_head = |ptx: &str| format!("// Made of {name} by `cargo xtask ptx`.\n\n{ptx}");
        if is_written {
            // What comes out three times is the usual one.
            let times = |found: &[String], ptx: &String| found.iter().filter(|other| *other == ptx).count();
            let is_usual = |found: &[String]| found.last().is_some_and(|last| times(found, last) == 3);
            let found = compilations(&source, &architecture, &include, is_usual);
            let usual = found.iter().max_by_key(|ptx| times(&found, ptx)).expect("a compilation");
            std::fs::write(root().join(ptx_file), with_head(usual)).expect("written");
            println!("{ptx_file}");
        } else {
            let kept = kept(ptx_file);
            let is_it = |found: &[String]| found.last().is_some_and(|last| with_head(last) == kept);
            let found = compilations(&source, &architecture, &include, is_it);
            assert!(is_it(&found), "{ptx_file} is not that of the kernels: run `cargo xtask ptx`");
        }
    }
}

#[test]
fn the_ptx_has_the_kernels_that_are_launched() {
    use neuvol::engine::cuda::{decode, store, tensor_decode};
    #[cfg(feature = "torch")]
    use neuvol::engine::torch::{fused, step};
    for (ptx, launched) in [
        (decode::PTX, &decode::KERNELS[..]),
        (tensor_decode::PTX, &tensor_decode::KERNELS[..]),
        (store::PTX, &store::KERNELS[..]),
        #[cfg(feature = "torch")]
        (step::PTX, &step::KERNELS[..]),
        #[cfg(feature = "torch")]
        (fused::PTX[0].1, &fused::KERNELS[..]),
        #[cfg(feature = "torch")]
        (fused::PTX[1].1, &fused::KERNELS[..]),
    ] {
        let mut launched = launched.to_vec();
        let mut found = names(ptx);
        found.sort_unstable();
        launched.sort_unstable();
        assert_eq!(found, launched);
    }
    for (_, capability, ptx_file) in KERNELS {
        assert!(kept(ptx_file).contains(&format!(".target sm_{capability}\n")), "{ptx_file}");
    }
    assert_eq!(tensor_decode::OLDEST_CAPABILITY, (8, 0));
    #[cfg(feature = "torch")]
    for ((major, minor), ptx) in fused::PTX {
        assert!(ptx.contains(&format!(".target sm_{major}{minor}\n")));
    }
    // Fused, a product's rounding would be left out, and a sample could be another one than the CPU's.
    assert!(store::PTX.contains("mul.rn.f64") && !store::PTX.contains("fma."));
}

#[test]
fn every_kernel_becomes_machine_code() {
    let Some(include) = include("every_kernel_becomes_machine_code") else { return };
    for (file, _, ptx_file) in KERNELS {
        let codes = ["sm_80", "sm_90"].map(|architecture| {
            let compiled = compile(&source(file), architecture, &include);
            let (_, code) = compiled.unwrap_or_else(|log| panic!("{file}: {log}"));
            // An ELF file for a GPU: e_machine is EM_CUDA.
            let head = (&code[..4], &code[18..20]);
            assert_eq!(head, (&b"\x7fELF"[..], &190_u16.to_le_bytes()[..]), "{architecture}");
            for kernel in names(&kept(ptx_file)) {
                let section = format!(".text.{kernel}\0");
                let is_there = code.windows(section.len()).any(|bytes| bytes == section.as_bytes());
                assert!(is_there, "{kernel} for {architecture}");
            }
            code
        });
        assert_ne!(codes[0], codes[1], "each has its own instructions");
    }
}

#[test]
fn an_error_in_a_kernel_is_told() {
    let Some(include) = include("an_error_in_a_kernel_is_told") else { return };
    let broken = source(STEP).replacen("rintf(", "rounded_to_nearest(", 1);
    let log = compile(&broken, "compute_75", &include).expect_err("no such function");
    assert!(log.contains("\"rounded_to_nearest\" is undefined"), "{log}");
}
