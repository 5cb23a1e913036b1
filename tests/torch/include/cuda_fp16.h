// Half precision on the host.
#pragma once

#include <immintrin.h>

struct __half {
    unsigned short bits;
};
inline float __half2float(__half value) { return _cvtsh_ss(value.bits); }
inline __half __float2half_rn(float value) {
    return {static_cast<unsigned short>(_cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT))};
}
