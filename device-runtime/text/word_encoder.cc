#include "text/word_encoder.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "base/error.h"
#include "text/unicode.h"

namespace mft {
namespace {

constexpr std::size_t kShortWord = 32;  // up to here a scan of all pairs is faster than a heap
constexpr std::uint32_t kNoNode = 0xFFFFFFFFu;
constexpr std::size_t kKeptScratch = 1 << 16;

std::uint64_t hash_word(std::string_view word) {
  std::uint64_t h = word.size();
  while (!word.empty()) {
    std::uint64_t part = 0;
    const std::size_t bytes = std::min<std::size_t>(word.size(), 8);
    std::memcpy(&part, word.data(), bytes);
    h = (h ^ part) * 0x9E3779B97F4A7C15u;
    h ^= h >> 29;
    word.remove_prefix(bytes);
  }
  return h;
}

}  // namespace

WordEncoder::WordEncoder(const TokenizerTables& tables) : tables_(tables), cache_(kCacheEntries) {}

void WordEncoder::encode(std::string_view word, std::vector<std::int32_t>& out) {
  if (word.size() > kCachedBytes) {
    encode_uncached(word, out);
    return;
  }
  CacheEntry& entry = cache_[hash_word(word) % kCacheEntries];
  if (entry.bytes == word.size() && std::memcmp(entry.word, word.data(), word.size()) == 0) {
    out.insert(out.end(), entry.id, entry.id + entry.ids);
    return;
  }
  const std::size_t before = out.size();
  encode_uncached(word, out);
  const std::size_t ids = out.size() - before;
  if (ids > kCachedIds) return;
  entry.bytes = static_cast<std::uint8_t>(word.size());
  entry.ids = static_cast<std::uint8_t>(ids);
  std::memcpy(entry.word, word.data(), word.size());
  std::copy_n(out.begin() + static_cast<std::ptrdiff_t>(before), ids, entry.id);
}

void WordEncoder::encode_uncached(std::string_view word, std::vector<std::int32_t>& out) {
  if (tables_.ignore_merges()) {
    const std::uint32_t id = tables_.find_token(word);
    if (id != kNoToken) {
      out.push_back(static_cast<std::int32_t>(id));
      return;
    }
  }
  if (word.size() <= kShortWord) {
    merge_short(word, out);
  } else {
    merge_long(word, out);
  }
}

template <class Emit>
void WordEncoder::begin(std::string_view word, Emit emit) const {
  const auto bytes = [&](std::size_t at, std::size_t count) {
    for (std::size_t i = at; i < at + count; ++i) emit(tables_.byte_id(static_cast<unsigned char>(word[i])));
  };
  if (!tables_.by_characters()) {
    bytes(0, word.size());
    return;
  }
  for (std::size_t at = 0; at < word.size();) {
    const CodePoint c = decode_valid(word.data() + at);
    const std::uint32_t id = tables_.character_id(c.value);
    if (id != kNoToken) {
      emit(id);
    } else {
      bytes(at, c.bytes);
    }
    at += c.bytes;
  }
}

void WordEncoder::merge_short(std::string_view word, std::vector<std::int32_t>& out) {
  std::array<std::uint32_t, kShortWord> ids;
  std::array<std::uint32_t, kShortWord> ranks;  // of token i and i + 1
  std::size_t count = 0;
  begin(word, [&](std::uint32_t id) { ids[count++] = id; });
  const auto look_up = [&](std::size_t i) { ranks[i] = tables_.find_merge(ids[i], ids[i + 1]); };
  for (std::size_t i = 0; i + 1 < count; ++i) look_up(i);
  while (count > 1) {
    const std::size_t best =
        static_cast<std::size_t>(std::min_element(ranks.begin(), ranks.begin() + count - 1) - ranks.begin());
    if (ranks[best] == kNoRank) break;
    ids[best] = tables_.merged(ranks[best]);
    for (std::size_t i = best + 1; i + 1 < count; ++i) {
      ids[i] = ids[i + 1];
      ranks[i] = ranks[i + 1];
    }
    --count;
    if (best + 1 < count) look_up(best);
    if (best > 0) look_up(best - 1);
  }
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<std::int32_t>(ids[i]));
}

void WordEncoder::push_pair(std::uint32_t at) {
  const std::uint32_t next = nodes_[at].next;
  if (next == kNoNode) return;
  const std::uint32_t rank = tables_.find_merge(nodes_[at].id, nodes_[next].id);
  if (rank != kNoRank) heap_.push_back(std::uint64_t{rank} << 32 | at);
}

// A heap of candidate pairs; one that a merge made stale is noticed when it comes up, because its pair then
// has another rank or none (a rank belongs to one pair). Each merge pushes at most two, so there are fewer
// than 3 n in all.
void WordEncoder::merge_long(std::string_view word, std::vector<std::int32_t>& out) {
  nodes_.clear();
  heap_.clear();
  nodes_.reserve(word.size());
  begin(word, [&](std::uint32_t id) {
    const auto i = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back({id, i - 1, i + 1});  // the first's previous is kNoNode
  });
  const auto count = static_cast<std::uint32_t>(nodes_.size());
  nodes_.back().next = kNoNode;
  for (std::uint32_t i = 0; i + 1 < count; ++i) push_pair(i);
  heap_operations_ += heap_.size();
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());

  const auto push = [&](std::uint32_t at) {
    const std::size_t before = heap_.size();
    push_pair(at);
    if (heap_.size() == before) return;
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
    ++heap_operations_;
  };
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const std::uint64_t top = heap_.back();
    heap_.pop_back();
    ++heap_operations_;
    const auto rank = static_cast<std::uint32_t>(top >> 32);
    const auto at = static_cast<std::uint32_t>(top);
    Node& left = nodes_[at];
    if (left.id == kNoToken || left.next == kNoNode) continue;
    Node& right = nodes_[left.next];
    if (tables_.find_merge(left.id, right.id) != rank) continue;
    left.id = tables_.merged(rank);
    right.id = kNoToken;  // gone
    left.next = right.next;
    if (left.next != kNoNode) nodes_[left.next].previous = at;
    if (left.previous != kNoNode) push(left.previous);
    push(at);
  }
  for (std::uint32_t at = 0; at != kNoNode; at = nodes_[at].next) {
    out.push_back(static_cast<std::int32_t>(nodes_[at].id));
  }
  if (word.size() > kKeptScratch) release_scratch();
}

void WordEncoder::release_scratch() {
  nodes_ = {};
  heap_ = {};
}

}  // namespace mft
