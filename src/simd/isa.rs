//! Instruction sets, and code that is compiled for each of them.
#![allow(unsafe_code)] // functions with an instruction set enabled

use super::floats::Portable;
#[cfg(target_arch = "x86_64")]
use super::floats::{Avx2, Avx512};
use super::integers::Integers;
use std::sync::OnceLock;

/// An instruction set that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// 16 lanes, 32 registers.
    Avx512,
    /// 8 lanes, 16 registers.
    Avx2,
    /// What every target has.
    Portable,
}

impl Isa {
    /// The instruction sets this machine has, fastest first.
    pub fn available() -> Vec<Isa> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
            {
                found.push(Isa::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Isa::Avx2);
            }
        }
        found.push(Isa::Portable);
        found
    }

    /// The fastest of them, asked for once.
    pub(crate) fn fastest() -> Isa {
        static FASTEST: OnceLock<Isa> = OnceLock::new();
        *FASTEST.get_or_init(|| Self::available()[0])
    }

    /// `avx512`, `avx2`, `portable`.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Avx512 => "avx512",
            Isa::Avx2 => "avx2",
            Isa::Portable => "portable",
        }
    }

    /// Runs a kernel with this instruction set, which must be one of [`Isa::available`].
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            // SAFETY: `Isa` values reach here from `available`, which asked the processor (`Cpu::with_isa` checks).
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { run_avx512(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { run_avx2(kernel) },
            _ => kernel.run::<Portable>(),
        }
    }

    /// The same for a kernel that is mostly [`Integers::add_products`], which many machines with AVX-512 have in one instruction.
    pub(crate) fn run_products<K: Kernel>(self, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        if self == Isa::Avx512 && is_x86_feature_detected!("avx512vnni") {
            // SAFETY: as above, and the processor was asked for the rest.
            return unsafe { run_avx512_vnni(kernel) };
        }
        self.run(kernel)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512<false>>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx512vnni,avx2,fma")]
fn run_avx512_vnni<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512<true>>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx2>()
}

/// Code that is compiled for every instruction set.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;
    /// The code; implementations are `#[inline(always)]`.
    fn run<S: Integers>(self) -> Self::Output;
}
