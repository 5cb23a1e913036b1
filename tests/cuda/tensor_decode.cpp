// The kernels of tensor_decode.cu as functions of the host; host.cpp runs them.

#include "block.h"

#include <tensor_decode.cu>
