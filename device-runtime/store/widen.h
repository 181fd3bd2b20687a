// Floating-point storage types to f32, exactly.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mft/v1/model.pb.h"

namespace mft::store {

// F32, BF16 and F16.
bool is_float(v1::DType dtype);
// count values of a type that is_float, in the machine's byte order (little-endian), to f32.
void widen(v1::DType dtype, uint64_t count, const std::byte* from, float* to);

}  // namespace mft::store
