//! Vectors of f32, and what is done to slices of whole vectors.
#![allow(unsafe_code)] // SIMD intrinsics and raw pointers of the kernels

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

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
    /// `a - b`.
    fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// The largest integer that is not above `a`.
    fn floor(a: Self::V) -> Self::V;
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
pub(crate) struct Avx512<const VNNI: bool>;

#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// Arrays of eight, which compilers turn into whatever vectors the target has.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

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
    fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn floor(a: __m512) -> __m512 {
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(a) }
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
    fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn floor(a: __m256) -> __m256 {
        unsafe { _mm256_floor_ps(a) }
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
    fn sub(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn floor(a: [f32; 8]) -> [f32; 8] {
        a.map(f32::floor)
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

/// The scalar product of two slices of whole vectors.
#[inline(always)]
pub(crate) fn dot<S: Simd>(a: &[f32], b: &[f32]) -> f32 {
    let mut sum = S::splat(0.0);
    for (a, b) in a.chunks_exact(S::LANES).zip(b.chunks_exact(S::LANES)) {
        sum = S::mul_add(vector::<S>(a), vector::<S>(b), sum);
    }
    S::sum(sum)
}

/// `y += a x`, slices of whole vectors.
#[inline(always)]
pub(crate) fn axpy<S: Simd>(a: f32, x: &[f32], y: &mut [f32]) {
    let a = S::splat(a);
    for (x, y) in x.chunks_exact(S::LANES).zip(y.chunks_exact_mut(S::LANES)) {
        let sum = S::mul_add(a, vector::<S>(x), vector::<S>(y));
        write::<S>(y, sum);
    }
}

/// `y = a x`, slices of whole vectors.
#[inline(always)]
pub(crate) fn scaled<S: Simd>(a: f32, x: &[f32], y: &mut [f32]) {
    let a = S::splat(a);
    for (x, y) in x.chunks_exact(S::LANES).zip(y.chunks_exact_mut(S::LANES)) {
        write::<S>(y, S::mul(a, vector::<S>(x)));
    }
}

/// Sets `y` to 0 where `gate` is not above it; slices of whole vectors.
#[inline(always)]
pub(crate) fn where_positive<S: Simd>(gate: &[f32], y: &mut [f32]) {
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
