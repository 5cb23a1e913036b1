//! The vector operations that kernels are written in, for AVX-512, AVX2 with FMA, and portable code.
//!
//! A kernel is a [`Kernel`]: generic over [`Simd`] and [`Integers`], every function on its way `#[inline(always)]`, so that it is
//! compiled once inside a function that has the instruction set enabled. [`Isa`] picks that function at run time.

mod aligned;
mod floats;
mod integers;
mod isa;

pub(crate) use aligned::Aligned;
pub(crate) use floats::{Simd, axpy, dot, scaled, vector, where_positive, write};
pub(crate) use integers::{Integers, integers, nearest_integer, pair_of_i16};
pub use isa::Isa;
pub(crate) use isa::Kernel;
