// Which tiles of queries or keys the sequences of a batch have, and in what order workers take them: the ones
// that cost most first, so that short ones fill the gaps at the end.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/types.h"

namespace mft::kernels {

constexpr i64 kAttentionTileRows = 96;  // kAttentionTile of simd/attention.h

inline i64 attention_tiles(i64 time) { return (time + kAttentionTileRows - 1) / kAttentionTileRows; }

struct AttentionTile {
  i64 sequence, tile;
};

// The sequences, the longest first, equal ones in their order.
inline std::vector<i64> longest_first(const Sequences& sequences) {
  std::vector<i64> order(static_cast<std::size_t>(sequences.count));
  for (i64 s = 0; s < sequences.count; ++s) order[static_cast<std::size_t>(s)] = s;
  std::stable_sort(order.begin(), order.end(),
                   [&](i64 a, i64 b) { return sequences.length(a) > sequences.length(b); });
  return order;
}

enum class AttentionSide { kQueries, kKeys };

// All tiles of the sequences in `order` (the longest first). The last queries see most keys, the first keys
// are seen by most queries.
inline std::vector<AttentionTile> costly_first(const Sequences& sequences, const std::vector<i64>& order,
                                               AttentionSide side) {
  std::vector<AttentionTile> tiles;
  if (order.empty()) return tiles;
  for (i64 cost = attention_tiles(sequences.length(order.front())); cost > 0; --cost) {
    for (const i64 s : order) {
      const i64 count = attention_tiles(sequences.length(s));
      if (count < cost) break;
      tiles.push_back({s, side == AttentionSide::kQueries ? cost - 1 : count - cost});
    }
  }
  return tiles;
}

}  // namespace mft::kernels
