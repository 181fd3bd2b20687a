// A permutation of 0 .. n-1 that is computed, not stored: an eight-round Feistel network over the next even
// number of bits, with cycle walking (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). For
// shuffling, not for secrets.
#pragma once

#include <cstdint>

namespace mft {

// Where item `index` of the shuffled order of 0 .. n-1 stands; index < n. Each (seed, epoch) gives another
// order. The same on every machine, for ever: a resumed run depends on it.
std::uint64_t shuffle_row(std::uint64_t index, std::uint64_t n, std::uint64_t seed, std::uint64_t epoch);

}  // namespace mft
