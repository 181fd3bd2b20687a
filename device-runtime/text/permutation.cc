#include "text/permutation.h"

#include <bit>

namespace mft {
namespace {

// SplitMix64's finaliser (Steele, Lea and Flood 2014).
std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace

std::uint64_t shuffle_row(std::uint64_t index, std::uint64_t n, std::uint64_t seed, std::uint64_t epoch) {
  if (n < 2) return index;
  const unsigned half = (static_cast<unsigned>(std::bit_width(n - 1)) + 1) / 2;
  const std::uint64_t mask = (std::uint64_t{1} << half) - 1;
  const std::uint64_t key = mix(mix(seed + 0x9E3779B97F4A7C15u) + epoch);
  do {  // the network permutes 0 .. 2^(2 half) - 1; walking its cycle until below n permutes 0 .. n - 1
    std::uint64_t left = index >> half;
    std::uint64_t right = index & mask;
    for (std::uint64_t round = 1; round <= 8; ++round) {
      const std::uint64_t next = left ^ (mix(right + key + round * 0x9E3779B97F4A7C15u) & mask);
      left = right;
      right = next;
    }
    index = left << half | right;
  } while (index >= n);
  return index;
}

}  // namespace mft
