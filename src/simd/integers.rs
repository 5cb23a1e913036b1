//! Vectors of integers, with as many lanes as those of f32: sums of products that are exact in any order.
#![allow(unsafe_code)] // SIMD intrinsics

#[cfg(target_arch = "x86_64")]
use super::floats::{Avx2, Avx512};
use super::floats::{Portable, Simd};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Vectors of i32, and of pairs of i16 in a lane.
pub(crate) trait Integers: Simd {
    /// A vector.
    type I: Copy;
    /// Sets every lane.
    fn splat_integer(x: i32) -> Self::I;
    /// Reads `LANES` numbers.
    ///
    /// # Safety
    /// `from` is readable for `LANES` numbers.
    unsafe fn load_integers(from: *const i32) -> Self::I;
    /// `a - b`, wrapping.
    fn subtract(a: Self::I, b: Self::I) -> Self::I;
    /// `a`, or `low` where it is below, or `high` where it is above.
    fn clamp_integers(a: Self::I, low: Self::I, high: Self::I) -> Self::I;
    /// Two numbers that fit in i16, in one lane.
    fn pair(first: Self::I, second: Self::I) -> Self::I;
    /// `sum` and both products of two lanes' pairs.
    fn add_products(pairs: Self::I, others: Self::I, sum: Self::I) -> Self::I;
    /// True when every bit is 0.
    fn is_zero(a: Self::I) -> bool;
    /// The bits of either.
    fn or(a: Self::I, b: Self::I) -> Self::I;
    /// The nearest f32.
    fn to_float(a: Self::I) -> Self::V;
    /// The nearest integer, ties to even, of less than 2^22.
    fn nearest(a: Self::V) -> Self::I;
    /// The number at each place of a list, and the one behind it.
    ///
    /// # Safety
    /// `from` is readable at every place, and one further.
    unsafe fn gather_pairs(from: *const u16, places: Self::I) -> [Self::V; 2];
}

// SAFETY of both blocks: as in `super::floats`.
#[cfg(target_arch = "x86_64")]
#[allow(clippy::undocumented_unsafe_blocks)] // documented once, above
impl<const VNNI: bool> Integers for Avx512<VNNI> {
    type I = __m512i;
    #[inline(always)]
    fn splat_integer(x: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(x) }
    }
    #[inline(always)]
    unsafe fn load_integers(from: *const i32) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    fn subtract(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_sub_epi32(a, b) }
    }
    #[inline(always)]
    fn clamp_integers(a: __m512i, low: __m512i, high: __m512i) -> __m512i {
        unsafe { _mm512_min_epi32(_mm512_max_epi32(a, low), high) }
    }
    #[inline(always)]
    fn pair(first: __m512i, second: __m512i) -> __m512i {
        unsafe { _mm512_mask_blend_epi16(0xaaaa_aaaa, first, _mm512_slli_epi32::<16>(second)) }
    }
    #[inline(always)]
    fn add_products(pairs: __m512i, others: __m512i, sum: __m512i) -> __m512i {
        match VNNI {
            true => unsafe { _mm512_dpwssd_epi32(sum, pairs, others) },
            false => unsafe { _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, others)) },
        }
    }
    #[inline(always)]
    fn is_zero(a: __m512i) -> bool {
        unsafe { _mm512_test_epi32_mask(a, a) == 0 }
    }
    #[inline(always)]
    fn or(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_or_si512(a, b) }
    }
    #[inline(always)]
    fn to_float(a: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(a) }
    }
    #[inline(always)]
    fn nearest(a: __m512) -> __m512i {
        unsafe { _mm512_cvtps_epi32(a) }
    }
    #[inline(always)]
    unsafe fn gather_pairs(from: *const u16, places: __m512i) -> [__m512; 2] {
        unsafe {
            let pairs = _mm512_i32gather_epi32::<2>(places, from.cast());
            let first = _mm512_and_si512(pairs, _mm512_set1_epi32(0xffff));
            [_mm512_cvtepi32_ps(first), _mm512_cvtepi32_ps(_mm512_srli_epi32::<16>(pairs))]
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(clippy::undocumented_unsafe_blocks)] // documented once, above
impl Integers for Avx2 {
    type I = __m256i;
    #[inline(always)]
    fn splat_integer(x: i32) -> __m256i {
        unsafe { _mm256_set1_epi32(x) }
    }
    #[inline(always)]
    unsafe fn load_integers(from: *const i32) -> __m256i {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    fn subtract(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_sub_epi32(a, b) }
    }
    #[inline(always)]
    fn clamp_integers(a: __m256i, low: __m256i, high: __m256i) -> __m256i {
        unsafe { _mm256_min_epi32(_mm256_max_epi32(a, low), high) }
    }
    #[inline(always)]
    fn pair(first: __m256i, second: __m256i) -> __m256i {
        unsafe { _mm256_blend_epi16::<0xaa>(first, _mm256_slli_epi32::<16>(second)) }
    }
    #[inline(always)]
    fn add_products(pairs: __m256i, others: __m256i, sum: __m256i) -> __m256i {
        unsafe { _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, others)) }
    }
    #[inline(always)]
    fn is_zero(a: __m256i) -> bool {
        unsafe { _mm256_testz_si256(a, a) == 1 }
    }
    #[inline(always)]
    fn or(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_or_si256(a, b) }
    }
    #[inline(always)]
    fn to_float(a: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(a) }
    }
    #[inline(always)]
    fn nearest(a: __m256) -> __m256i {
        unsafe { _mm256_cvtps_epi32(a) }
    }
    #[inline(always)]
    unsafe fn gather_pairs(from: *const u16, places: __m256i) -> [__m256; 2] {
        unsafe {
            let pairs = _mm256_i32gather_epi32::<2>(from.cast(), places);
            let first = _mm256_and_si256(pairs, _mm256_set1_epi32(0xffff));
            [_mm256_cvtepi32_ps(first), _mm256_cvtepi32_ps(_mm256_srli_epi32::<16>(pairs))]
        }
    }
}

impl Integers for Portable {
    type I = [i32; 8];
    #[inline(always)]
    fn splat_integer(x: i32) -> [i32; 8] {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn load_integers(from: *const i32) -> [i32; 8] {
        // SAFETY: the trait's contract.
        unsafe { from.cast::<[i32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    fn subtract(a: [i32; 8], b: [i32; 8]) -> [i32; 8] {
        std::array::from_fn(|i| a[i].wrapping_sub(b[i]))
    }
    #[inline(always)]
    fn clamp_integers(a: [i32; 8], low: [i32; 8], high: [i32; 8]) -> [i32; 8] {
        std::array::from_fn(|i| a[i].max(low[i]).min(high[i]))
    }
    #[inline(always)]
    fn pair(first: [i32; 8], second: [i32; 8]) -> [i32; 8] {
        std::array::from_fn(|i| pair_of_i16(first[i], second[i]))
    }
    #[inline(always)]
    fn add_products(pairs: [i32; 8], others: [i32; 8], sum: [i32; 8]) -> [i32; 8] {
        std::array::from_fn(|i| {
            let products = [pairs[i], pairs[i] >> 16].map(|n| i32::from(n as i16));
            let others = [others[i], others[i] >> 16].map(|n| i32::from(n as i16));
            sum[i] + (products[0] * others[0] + products[1] * others[1])
        })
    }
    #[inline(always)]
    fn is_zero(a: [i32; 8]) -> bool {
        a == [0; 8]
    }
    #[inline(always)]
    fn or(a: [i32; 8], b: [i32; 8]) -> [i32; 8] {
        std::array::from_fn(|i| a[i] | b[i])
    }
    #[inline(always)]
    fn to_float(a: [i32; 8]) -> [f32; 8] {
        a.map(|n| n as f32)
    }
    #[inline(always)]
    fn nearest(a: [f32; 8]) -> [i32; 8] {
        a.map(nearest_integer)
    }
    #[inline(always)]
    unsafe fn gather_pairs(from: *const u16, places: [i32; 8]) -> [[f32; 8]; 2] {
        // SAFETY: the trait's contract.
        [0, 1].map(|next| places.map(|place| f32::from(unsafe { from.add(place as usize + next).read() })))
    }
}

/// Two numbers that fit in i16, as [`Integers::pair`] has them.
pub(crate) fn pair_of_i16(first: i32, second: i32) -> i32 {
    (first & 0xffff) | second << 16
}

/// The nearest integer, ties to even, of less than 2^22: where float32 counts in ones, its last bits are the number.
#[inline(always)]
pub(crate) fn nearest_integer(value: f32) -> i32 {
    const COUNTS_ONES: f32 = 12_582_912.0;
    (value + COUNTS_ONES).to_bits().wrapping_sub(COUNTS_ONES.to_bits()) as i32
}

/// The first `LANES` numbers of a slice.
#[inline(always)]
pub(crate) fn integers<S: Integers>(from: &[i32]) -> S::I {
    assert!(from.len() >= S::LANES);
    // SAFETY: the slice has LANES numbers.
    unsafe { S::load_integers(from.as_ptr()) }
}

#[cfg(test)]
mod tests {
    use super::super::{Isa, Kernel, write};
    use super::*;
    use crate::engine::hash;

    /// Every operation, on these numbers of less than 2^15 and floats of less than 2^22.
    struct All<'a>([&'a [i32; 48]; 3], &'a [f32; 48]);

    impl Kernel for All<'_> {
        type Output = Vec<f32>;
        #[inline(always)]
        fn run<S: Integers>(self) -> Vec<f32> {
            let Self([a, b, c], floats) = self;
            let mut out = vec![0.0; 48];
            for at in (0..48).step_by(S::LANES) {
                let [a, b, c] = [integers::<S>(&a[at..]), integers::<S>(&b[at..]), integers::<S>(&c[at..])];
                let nearest = S::nearest(super::super::vector::<S>(&floats[at..]));
                let clamped =
                    S::clamp_integers(S::subtract(a, c), S::splat_integer(-2047), S::splat_integer(2047));
                let sum = S::add_products(S::pair(a, clamped), S::pair(b, c), nearest);
                write::<S>(&mut out[at..], S::to_float(sum));
            }
            out
        }
    }

    /// Whether all of them are 0.
    struct Zeros([i32; 16]);

    impl Kernel for Zeros {
        type Output = bool;
        #[inline(always)]
        fn run<S: Integers>(self) -> bool {
            let [low, high] = [integers::<S>(&self.0), integers::<S>(&self.0[16 - S::LANES..])];
            S::is_zero(S::or(low, high))
        }
    }

    #[test]
    fn every_instruction_set_computes_the_same() {
        let number = |n: u64| (hash(n) >> 52) as i32 - 2048;
        let of = |seed: u64| std::array::from_fn::<i32, 48, _>(|i| number(seed + i as u64));
        let numbers = [of(0), of(100), of(200)];
        let floats: [f32; 48] = std::array::from_fn(|i| (number(300 + i as u64) as f32 + 0.5) * 0.5);
        for isa in Isa::available() {
            let all = || All([&numbers[0], &numbers[1], &numbers[2]], &floats);
            let found = isa.run(all());
            assert_eq!(isa.run_products(all()), found, "{}", isa.name());
            assert!(isa.run(Zeros([0; 16])));
            for lane in 0..16 {
                assert!(
                    !isa.run(Zeros(std::array::from_fn(|i| i32::from(i == lane)))),
                    "{} {lane}",
                    isa.name()
                );
            }
            for i in 0..48 {
                let [a, b, c] = [0, 1, 2].map(|n| i64::from(numbers[n][i]));
                let nearest = floats[i].round_ties_even() as i64;
                assert_eq!(nearest_integer(floats[i]), nearest as i32);
                let sum = nearest + a * b + (a - c).clamp(-2047, 2047) * c;
                assert_eq!(found[i], sum as f32, "{} {i}", isa.name());
            }
        }
    }
}
