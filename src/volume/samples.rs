//! Samples in the type they are stored in.

/// The element types a volume can hold. 64-bit integers are narrowed on reading where their values fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SampleType {
    /// 8-bit unsigned.
    U8 = 1,
    /// 8-bit signed.
    I8 = 2,
    /// 16-bit unsigned.
    U16 = 3,
    /// 16-bit signed.
    I16 = 4,
    /// 32-bit unsigned.
    U32 = 5,
    /// 32-bit signed.
    I32 = 6,
    /// IEEE 754 binary32.
    F32 = 7,
    /// IEEE 754 binary64.
    F64 = 8,
}

impl SampleType {
    /// Every type, in the order of their codes in the file format.
    pub const ALL: [SampleType; 8] = [
        SampleType::U8,
        SampleType::I8,
        SampleType::U16,
        SampleType::I16,
        SampleType::U32,
        SampleType::I32,
        SampleType::F32,
        SampleType::F64,
    ];

    /// Bytes of one sample.
    pub fn size(self) -> usize {
        match self {
            SampleType::U8 | SampleType::I8 => 1,
            SampleType::U16 | SampleType::I16 => 2,
            SampleType::U32 | SampleType::I32 | SampleType::F32 => 4,
            SampleType::F64 => 8,
        }
    }

    /// NumPy's name: `uint8`, `int16`, `float32`, ...
    pub fn name(self) -> &'static str {
        match self {
            SampleType::U8 => "uint8",
            SampleType::I8 => "int8",
            SampleType::U16 => "uint16",
            SampleType::I16 => "int16",
            SampleType::U32 => "uint32",
            SampleType::I32 => "int32",
            SampleType::F32 => "float32",
            SampleType::F64 => "float64",
        }
    }

    /// The type with this NumPy name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// The type with this code in the file format.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&t| t as u8 == code)
    }

    /// True for the six integer types.
    pub fn is_integer(self) -> bool {
        !matches!(self, SampleType::F32 | SampleType::F64)
    }

    /// A fill value as samples of this type hold it: 1e20 is another number in float32 than in float64.
    pub fn nearest(self, value: f64) -> f64 {
        if self == SampleType::F32 { f64::from(value as f32) } else { value }
    }

    /// Smallest and largest finite value of the type.
    pub fn limits(self) -> (f64, f64) {
        match self {
            SampleType::U8 => (0.0, u8::MAX.into()),
            SampleType::I8 => (i8::MIN.into(), i8::MAX.into()),
            SampleType::U16 => (0.0, u16::MAX.into()),
            SampleType::I16 => (i16::MIN.into(), i16::MAX.into()),
            SampleType::U32 => (0.0, u32::MAX.into()),
            SampleType::I32 => (i32::MIN.into(), i32::MAX.into()),
            SampleType::F32 => (f32::MIN.into(), f32::MAX.into()),
            SampleType::F64 => (f64::MIN, f64::MAX),
        }
    }
}

impl std::fmt::Display for SampleType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One of the eight element types.
pub trait Sample: Copy + Default + PartialEq + Send + Sync + bytemuck::Pod + 'static {
    /// The type's tag.
    const TYPE: SampleType;
    /// The value as f64: exact for all eight types.
    fn to_f64(self) -> f64;
    /// The nearest value of this type: integers round half away from zero and clamp, NaN becomes 0.
    fn from_f64(value: f64) -> Self;
    /// The value cut to this type without rounding: for values known to be whole.
    fn narrow(value: f64) -> Self;
}

macro_rules! sample_types {
    ($($variant:ident $type:ty, $round:expr;)*) => {
        /// Samples of a volume, x fastest, in their stored type.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs)] // the variants are the types' names
        pub enum Samples { $($variant(Vec<$type>),)* }

        /// Samples in memory of somebody else's, in their stored type.
        #[derive(Debug, PartialEq)]
        #[allow(missing_docs)] // the variants are the types' names
        pub enum SamplesMut<'a> { $($variant(&'a mut [$type]),)* }

        impl<'a> SamplesMut<'a> {
            /// Bytes as samples of a type; `None` where they are not aligned for it or not a multiple of its size.
            pub fn from_bytes(sample_type: SampleType, bytes: &'a mut [u8]) -> Option<Self> {
                match sample_type {
                    $(SampleType::$variant => bytemuck::try_cast_slice_mut(bytes).ok().map(SamplesMut::$variant),)*
                }
            }
            /// Number of samples.
            pub fn len(&self) -> usize {
                match self { $(SamplesMut::$variant(v) => v.len(),)* }
            }
            /// True when there is no sample.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }
            /// The element type.
            pub fn sample_type(&self) -> SampleType {
                match self { $(SamplesMut::$variant(_) => SampleType::$variant,)* }
            }
            /// Stores the nearest value of the type. Panics when out of range.
            pub fn set(&mut self, index: usize, value: f64) {
                match self { $(SamplesMut::$variant(v) => v[index] = Sample::from_f64(value),)* }
            }
            /// Copies `count` samples from `from[at..]` to `self[index..]`. Panics when the types differ or a range is
            /// out of range.
            pub(crate) fn copy_from(&mut self, index: usize, from: &Samples, at: usize, count: usize) {
                match (self, from) {
                    $((SamplesMut::$variant(to), Samples::$variant(from)) => {
                        to[index..index + count].copy_from_slice(&from[at..at + count]);
                    })*
                    (to, from) => panic!("{} samples do not go into {}", from.sample_type(), to.sample_type()),
                }
            }
            /// Appends `count` samples from `self[index..]` to `to`. Panics as [`Self::copy_from`] does.
            pub(crate) fn append_to(&self, index: usize, count: usize, to: &mut Samples) {
                match (self, to) {
                    $((SamplesMut::$variant(from), Samples::$variant(to)) => {
                        to.extend_from_slice(&from[index..index + count]);
                    })*
                    (from, to) => panic!("{} samples do not go into {}", from.sample_type(), to.sample_type()),
                }
            }
        }

        impl Samples {
            /// The samples, to be written in place.
            pub fn as_mut(&mut self) -> SamplesMut<'_> {
                match self { $(Samples::$variant(v) => SamplesMut::$variant(v),)* }
            }
            /// None yet, with room for `capacity`.
            pub(crate) fn with_capacity(sample_type: SampleType, capacity: usize) -> Self {
                match sample_type { $(SampleType::$variant => Samples::$variant(Vec::with_capacity(capacity)),)* }
            }
            /// Number of samples.
            pub fn len(&self) -> usize {
                match self { $(Samples::$variant(v) => v.len(),)* }
            }
            /// True when there is no sample.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }
            /// The element type.
            pub fn sample_type(&self) -> SampleType {
                match self { $(Samples::$variant(_) => SampleType::$variant,)* }
            }
            /// The samples' memory, in the machine's byte order.
            pub fn as_bytes(&self) -> &[u8] {
                match self { $(Samples::$variant(v) => bytemuck::cast_slice(v),)* }
            }
            /// The samples' memory, in the machine's byte order.
            pub fn as_bytes_mut(&mut self) -> &mut [u8] {
                match self { $(Samples::$variant(v) => bytemuck::cast_slice_mut(v),)* }
            }
            /// `len` zeros of a type.
            pub fn zeros(sample_type: SampleType, len: usize) -> Self {
                match sample_type { $(SampleType::$variant => Samples::$variant(vec![Default::default(); len]),)* }
            }
            /// [`Self::zeros`], or `None` where there is not so much memory.
            pub fn try_zeros(sample_type: SampleType, len: usize) -> Option<Self> {
                match sample_type {
                    $(SampleType::$variant => {
                        let mut values: Vec<$type> = Vec::new();
                        values.try_reserve_exact(len).ok()?;
                        values.resize(len, Default::default());
                        Some(Samples::$variant(values))
                    })*
                }
            }
            /// Sample `index` as f64. Panics when out of range.
            pub fn get(&self, index: usize) -> f64 {
                match self { $(Samples::$variant(v) => v[index].to_f64(),)* }
            }
            /// Stores the nearest value of the type. Panics when out of range.
            pub fn set(&mut self, index: usize, value: f64) {
                match self { $(Samples::$variant(v) => v[index] = Sample::from_f64(value),)* }
            }
        }

        $(
            impl From<Vec<$type>> for Samples {
                fn from(values: Vec<$type>) -> Self { Samples::$variant(values) }
            }
            impl Sample for $type {
                const TYPE: SampleType = SampleType::$variant;
                #[inline]
                fn to_f64(self) -> f64 { self as f64 }
                fn from_f64(value: f64) -> Self { let round: fn(f64) -> f64 = $round; round(value) as $type }
                #[inline]
                fn narrow(value: f64) -> Self { value as $type }
            }
        )*
    };
}

sample_types! {
    U8 u8, f64::round;
    I8 i8, f64::round;
    U16 u16, f64::round;
    I16 i16, f64::round;
    U32 u32, f64::round;
    I32 i32, f64::round;
    F32 f32, std::convert::identity;
    F64 f64, std::convert::identity;
}

/// Runs one expression for whichever element type the samples have:
/// `for_each_type!(&samples, values => expression)`, `values` being a reference to the typed `Vec`;
/// `for_each_type!(SamplesMut: samples, values => expression)` for borrowed ones.
macro_rules! for_each_type {
    ($samples:expr, $values:ident => $body:expr) => {
        $crate::volume::for_each_type!(Samples: $samples, $values => $body)
    };
    ($of:ident: $samples:expr, $values:ident => $body:expr) => {{
        #[allow(unused_imports)] // a body that never leaves the type needs no trait
        use $crate::volume::Sample as _;
        match $samples {
            $crate::volume::$of::U8($values) => $body,
            $crate::volume::$of::I8($values) => $body,
            $crate::volume::$of::U16($values) => $body,
            $crate::volume::$of::I16($values) => $body,
            $crate::volume::$of::U32($values) => $body,
            $crate::volume::$of::I32($values) => $body,
            $crate::volume::$of::F32($values) => $body,
            $crate::volume::$of::F64($values) => $body,
        }
    }};
}
pub(crate) use for_each_type;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_round_half_away_from_zero_and_clamp() {
        assert_eq!(u8::from_f64(2.5), 3);
        assert_eq!(i16::from_f64(-2.5), -3);
        assert_eq!(u8::from_f64(-4.0), 0);
        assert_eq!(i8::from_f64(1e9), 127);
        assert_eq!(u32::from_f64(4294967295.0), u32::MAX);
        assert_eq!(i32::from_f64(f64::NAN), 0);
    }

    #[test]
    fn names_and_codes_find_their_type_again() {
        for t in SampleType::ALL {
            assert_eq!(SampleType::from_name(t.name()), Some(t));
            assert_eq!(SampleType::from_code(t as u8), Some(t));
            assert_eq!(Samples::zeros(t, 3).as_bytes().len(), 3 * t.size());
        }
        assert_eq!(SampleType::from_name("float16"), None);
    }
}
