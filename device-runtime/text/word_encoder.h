// BPE inside one pre-token (Sennrich et al. 2016, as `tokenizers` does it): from the tokens of its single
// bytes, or characters (docs/tokenizer-format.md), the pair of lowest rank merges, the leftmost of equals,
// until none is left.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/tokenizer_tables.h"

namespace mft {

// Keeps scratch and a cache of short words: one thread at a time. The tables must outlive it.
class WordEncoder {
 public:
  explicit WordEncoder(const TokenizerTables& tables);

  // Appends the ids of one pre-token (not empty). n log n in its length, whatever it is made of.
  void encode(std::string_view word, std::vector<std::int32_t>& out);

  // Frees what one very long word left behind.
  void release_scratch();

  std::uint64_t heap_operations() const { return heap_operations_; }

 private:
  // Words up to kCachedBytes that become up to kCachedIds tokens, in one cache line, at one place by their
  // hash.
  static constexpr std::size_t kCachedBytes = 22;
  static constexpr std::size_t kCachedIds = 10;
  static constexpr std::size_t kCacheEntries = 1 << 14;  // 1 MiB
  struct alignas(64) CacheEntry {
    std::uint8_t bytes;  // 0: empty
    std::uint8_t ids;
    char word[kCachedBytes];
    std::int32_t id[kCachedIds];
  };
  static_assert(sizeof(CacheEntry) == 64);

  // A token so far, in a list of neighbours by index.
  struct Node {
    std::uint32_t id;
    std::uint32_t previous;
    std::uint32_t next;
  };

  void encode_uncached(std::string_view word, std::vector<std::int32_t>& out);
  // The tokens that a word begins as, at most one a byte. Emit: void(std::uint32_t id).
  template <class Emit>
  void begin(std::string_view word, Emit emit) const;
  void merge_short(std::string_view word, std::vector<std::int32_t>& out);
  void merge_long(std::string_view word, std::vector<std::int32_t>& out);
  void push_pair(std::uint32_t at);

  const TokenizerTables& tables_;
  std::vector<CacheEntry> cache_;
  std::vector<Node> nodes_;
  std::vector<std::uint64_t> heap_;  // rank << 32 | index of the left node
  std::uint64_t heap_operations_ = 0;
};

}  // namespace mft
