// The compression function of SHA-256, one implementation for each instruction set. Inside base/ only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace mft::sha256_internal {

extern const std::array<std::uint32_t, 64> kRound;  // FIPS 180-4, 4.2.2

using Compress = void (*)(std::uint32_t state[8], const std::uint8_t* data, std::size_t blocks);

void compress_portable(std::uint32_t state[8], const std::uint8_t* data, std::size_t blocks);
// nullptr when this processor (or compiler) has no SHA-256 instructions.
Compress hardware_compress();

}  // namespace mft::sha256_internal
