//! The vector operations the kernels are written in, for AVX-512, AVX2 + FMA, and portable code.
//!
//! A kernel is a [`Kernel`]: generic over [`Simd`], every function on its way `#[inline(always)]`, so that it is
//! compiled once inside a function that has the instruction set enabled. [`Isa::run`] picks that function.
#![allow(unsafe_code)] // SIMD intrinsics and raw pointers of the kernels

use super::integers::Integers;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
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

/// Vectors of f32.
pub(crate) trait Simd: Copy + 'static {
    /// A vector.
    type V: Copy;
    /// Its lanes.
    const LANES: usize;
    /// Sets every lane.
    fn splat(x: f32) -> Self::V;
    /// Reads `LANES` values.
    ///
    /// # Safety
    /// `from` is readable for `LANES` values.
    unsafe fn load(from: *const f32) -> Self::V;
    /// Writes `LANES` values.
    ///
    /// # Safety
    /// `to` is writable for `LANES` values.
    unsafe fn store(to: *mut f32, v: Self::V);
    /// `a + b`.
    fn add(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, fused where the machine has it.
    fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `max(a, 0)`.
    fn relu(a: Self::V) -> Self::V;
    /// `a`, or `low` where it is below, or `high` where it is above.
    fn clamp(a: Self::V, low: Self::V, high: Self::V) -> Self::V;
    /// `a` where `gate > 0`, else 0.
    fn where_positive(a: Self::V, gate: Self::V) -> Self::V;
    /// The sum of the lanes.
    fn sum(a: Self::V) -> f32;
    /// `a * b + c` of single values, fused where the vectors' is.
    fn scalar_mul_add(a: f32, b: f32, c: f32) -> f32;
}

/// With the instructions of VNNI, or without.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Avx512<const VNNI: bool>;

#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Avx2;

/// Arrays of eight, which compilers turn into whatever vectors the target has.
#[derive(Clone, Copy)]
pub(super) struct Portable;

// SAFETY of both blocks: the methods are reached only through `Isa::run`, inside a function with the instruction set
// enabled; pointers are valid for `LANES` values by the trait's contract.
#[cfg(target_arch = "x86_64")]
#[allow(clippy::undocumented_unsafe_blocks)] // documented once, above
impl<const VNNI: bool> Simd for Avx512<VNNI> {
    type V = __m512;
    const LANES: usize = 16;
    #[inline(always)]
    fn splat(x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(to, v) }
    }
    #[inline(always)]
    fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn relu(a: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, _mm512_setzero_ps()) }
    }
    #[inline(always)]
    fn clamp(a: __m512, low: __m512, high: __m512) -> __m512 {
        unsafe { _mm512_min_ps(_mm512_max_ps(a, low), high) }
    }
    #[inline(always)]
    fn where_positive(a: __m512, gate: __m512) -> __m512 {
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(gate, _mm512_setzero_ps()), a) }
    }
    #[inline(always)]
    fn sum(a: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(a) }
    }
    #[inline(always)]
    fn scalar_mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(clippy::undocumented_unsafe_blocks)] // documented once, above
impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    #[inline(always)]
    fn splat(x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m256) {
        unsafe { _mm256_storeu_ps(to, v) }
    }
    #[inline(always)]
    fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn relu(a: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, _mm256_setzero_ps()) }
    }
    #[inline(always)]
    fn clamp(a: __m256, low: __m256, high: __m256) -> __m256 {
        unsafe { _mm256_min_ps(_mm256_max_ps(a, low), high) }
    }
    #[inline(always)]
    fn where_positive(a: __m256, gate: __m256) -> __m256 {
        unsafe { _mm256_and_ps(a, _mm256_cmp_ps::<_CMP_GT_OQ>(gate, _mm256_setzero_ps())) }
    }
    #[inline(always)]
    fn sum(a: __m256) -> f32 {
        unsafe {
            let half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
            _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)))
        }
    }
    #[inline(always)]
    fn scalar_mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

impl Simd for Portable {
    type V = [f32; 8];
    const LANES: usize = 8;
    #[inline(always)]
    fn splat(x: f32) -> [f32; 8] {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 8] {
        // SAFETY: the trait's contract.
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: [f32; 8]) {
        // SAFETY: the trait's contract.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(v) }
    }
    #[inline(always)]
    fn add(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn mul(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn mul_add(a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn relu(a: [f32; 8]) -> [f32; 8] {
        a.map(|x| if x > 0.0 { x } else { 0.0 })
    }
    #[inline(always)]
    fn clamp(a: [f32; 8], low: [f32; 8], high: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| {
            let above = if a[i] > low[i] { a[i] } else { low[i] };
            if above < high[i] { above } else { high[i] }
        })
    }
    #[inline(always)]
    fn where_positive(a: [f32; 8], gate: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| if gate[i] > 0.0 { a[i] } else { 0.0 })
    }
    #[inline(always)]
    fn sum(a: [f32; 8]) -> f32 {
        let half: [f32; 4] = std::array::from_fn(|i| a[i] + a[i + 4]);
        (half[0] + half[2]) + (half[1] + half[3])
    }
    #[inline(always)]
    fn scalar_mul_add(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

/// A cache line of values: what aligned buffers are made of.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Zero-initialised f32 storage on a cache-line boundary.
#[derive(Clone)]
pub(super) struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

impl Aligned {
    pub(super) fn zeros(len: usize) -> Self {
        Self { lines: vec![Line([0.0; 16]); len.div_ceil(16)], len }
    }
    pub(super) fn as_slice(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
    pub(super) fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

/// The scalar product of two slices of whole vectors.
#[inline(always)]
pub(super) fn dot<S: Simd>(a: &[f32], b: &[f32]) -> f32 {
    let mut sum = S::splat(0.0);
    for (a, b) in a.chunks_exact(S::LANES).zip(b.chunks_exact(S::LANES)) {
        sum = S::mul_add(vector::<S>(a), vector::<S>(b), sum);
    }
    S::sum(sum)
}

/// `y += a x`, slices of whole vectors.
#[inline(always)]
pub(super) fn axpy<S: Simd>(a: f32, x: &[f32], y: &mut [f32]) {
    let a = S::splat(a);
    for (x, y) in x.chunks_exact(S::LANES).zip(y.chunks_exact_mut(S::LANES)) {
        let sum = S::mul_add(a, vector::<S>(x), vector::<S>(y));
        write::<S>(y, sum);
    }
}

/// `y = a x`, slices of whole vectors.
#[inline(always)]
pub(super) fn scaled<S: Simd>(a: f32, x: &[f32], y: &mut [f32]) {
    let a = S::splat(a);
    for (x, y) in x.chunks_exact(S::LANES).zip(y.chunks_exact_mut(S::LANES)) {
        write::<S>(y, S::mul(a, vector::<S>(x)));
    }
}

/// Sets `y` to 0 where `gate` is not above it; slices of whole vectors.
#[inline(always)]
pub(super) fn where_positive<S: Simd>(gate: &[f32], y: &mut [f32]) {
    for (gate, y) in gate.chunks_exact(S::LANES).zip(y.chunks_exact_mut(S::LANES)) {
        let kept = S::where_positive(vector::<S>(y), vector::<S>(gate));
        write::<S>(y, kept);
    }
}

/// The first `LANES` values of a slice.
#[inline(always)]
pub(crate) fn vector<S: Simd>(from: &[f32]) -> S::V {
    assert!(from.len() >= S::LANES);
    // SAFETY: the slice has LANES values.
    unsafe { S::load(from.as_ptr()) }
}

/// Sets the first `LANES` values of a slice.
#[inline(always)]
pub(crate) fn write<S: Simd>(to: &mut [f32], v: S::V) {
    assert!(to.len() >= S::LANES);
    // SAFETY: the slice has LANES values.
    unsafe { S::store(to.as_mut_ptr(), v) }
}
