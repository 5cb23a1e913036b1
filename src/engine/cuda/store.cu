// Field values become samples in the device's memory: FORMAT.md, "From the field to samples". store.rs launches it, and
// `cargo xtask ptx` makes store.ptx of it.
//
// The arithmetic is that of sample/quantise.rs, rounded step by step in float64: of one field value, the same sample comes
// here and there.

using u8 = unsigned char;
using u32 = unsigned int;
using u64 = unsigned long long;

// What a code says of a value. Those between are the codes of Storage's constants.
constexpr u8 AT_A_VOXEL = 0, BETWEEN_VOXELS = 6;

enum StoredKind : u32 { INTEGER, SINGLE, DOUBLE };

// As store.rs fills it: the same members in the same order there.
struct Storage {
    // The volume's smallest value, and the largest one's distance from it.
    double low;
    double span;
    // The type that the volume's samples have, whatever they are stored as here.
    u32 kind;
    u32 unused;
    // What values with codes in their place get; a sample's type holds them exactly.
    double constants[6];
};

// The largest and smallest values of the types.
template <typename T>
struct Range;
template <>
struct Range<unsigned char> {
    static constexpr double LOW = 0.0, HIGH = 255.0;
};
template <>
struct Range<signed char> {
    static constexpr double LOW = -128.0, HIGH = 127.0;
};
template <>
struct Range<unsigned short> {
    static constexpr double LOW = 0.0, HIGH = 65535.0;
};
template <>
struct Range<short> {
    static constexpr double LOW = -32768.0, HIGH = 32767.0;
};
template <>
struct Range<unsigned int> {
    static constexpr double LOW = 0.0, HIGH = 4294967295.0;
};
template <>
struct Range<int> {
    static constexpr double LOW = -2147483648.0, HIGH = 2147483647.0;
};

// Cut to an integer inside the type; no number is 0.
template <typename T>
__device__ void narrow(double value, T *out) {
    if (value >= Range<T>::HIGH) {
        *out = T(Range<T>::HIGH);
    } else if (value > Range<T>::LOW) {
        *out = T(value);
    } else {
        *out = value == value ? T(Range<T>::LOW) : T(0);
    }
}
__device__ void narrow(double value, float *out) { *out = float(value); }
__device__ void narrow(double value, double *out) { *out = value; }

__device__ double value_of(const Storage &storage, float field_value, u8 code) {
    if (code != AT_A_VOXEL && code != BETWEEN_VOXELS) {
        return storage.constants[code];
    }
    // A NaN stays one.
    const float held = field_value < 0.0f ? 0.0f : field_value > 1.0f ? 1.0f : field_value;
    // Never fused: the sum is rounded as the CPU rounds it.
    const double above = __dmul_rn(double(held), storage.span);
    if (code == AT_A_VOXEL && storage.kind == INTEGER) {
        u32 whole;
        narrow(__dadd_rn(above, 0.5), &whole);
        return __dadd_rn(storage.low, double(whole));
    }
    const double value = __dadd_rn(storage.low, above);
    return code == AT_A_VOXEL && storage.kind == SINGLE ? double(float(value)) : value;
}

// `codes` is null where every value is one at a voxel.
template <typename T>
__device__ void store_samples(const Storage &storage, const float *values, const u8 *codes, T *out, u64 count) {
    const u64 threads = u64(gridDim.x) * blockDim.x;
    for (u64 n = u64(blockIdx.x) * blockDim.x + threadIdx.x; n < count; n += threads) {
        narrow(value_of(storage, values[n], codes ? codes[n] : AT_A_VOXEL), out + n);
    }
}

#define KERNEL(NAME, TYPE)                                                                                                \
    extern "C" __global__ void NAME(const __grid_constant__ Storage storage, const float *values, const u8 *codes,        \
                                    TYPE *out, u64 count) {                                                               \
        store_samples(storage, values, codes, out, count);                                                                \
    }

KERNEL(store_uint8, unsigned char)
KERNEL(store_int8, signed char)
KERNEL(store_uint16, unsigned short)
KERNEL(store_int16, short)
KERNEL(store_uint32, unsigned int)
KERNEL(store_int32, int)
KERNEL(store_float32, float)
KERNEL(store_float64, double)

#undef KERNEL
