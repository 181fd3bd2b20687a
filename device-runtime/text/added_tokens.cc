#include "text/added_tokens.h"

#include <algorithm>
#include <cstring>

namespace mft {

AddedTokens::AddedTokens(const TokenizerTables& tables, bool normalized) {
  for (const AddedToken& token : tables.added()) {
    if (token.normalized != normalized) continue;
    const std::string_view bytes = tables.token(token.id);
    entries_.push_back({bytes, &token});
    longest_ = std::max(longest_, bytes.size());
    any_lstrip_ = any_lstrip_ || token.lstrip;
    any_behind_ = any_behind_ || token.rstrip || token.single_word;
    ++first_[static_cast<unsigned char>(bytes[0]) + 1];
  }
  for (std::size_t b = 0; b < 256; ++b) {
    if (first_[b + 1] == entries_.size() && !entries_.empty()) only_first_byte_ = static_cast<int>(b);
    first_[b + 1] += first_[b];
  }
}

AddedTokens::Match AddedTokens::find(std::string_view text, std::size_t from) const {
  if (entries_.empty()) return {0, 0, nullptr};
  for (std::size_t at = from; at < text.size(); ++at) {
    if (only_first_byte_ >= 0) {
      const void* hit = std::memchr(text.data() + at, only_first_byte_, text.size() - at);
      if (hit == nullptr) break;
      at = static_cast<std::size_t>(static_cast<const char*>(hit) - text.data());
    }
    const auto byte = static_cast<unsigned char>(text[at]);
    if (first_[byte] == first_[byte + 1u]) continue;
    const Match match = longest_at(text, at);
    if (match.bytes > 0) return match;
  }
  return {0, 0, nullptr};
}

// Narrows the sorted entries byte by byte, as a walk through a trie.
AddedTokens::Match AddedTokens::longest_at(std::string_view text, std::size_t at) const {
  const auto byte = static_cast<unsigned char>(text[at]);
  auto low = entries_.begin() + first_[byte];
  auto high = entries_.begin() + first_[byte + 1u];
  Match best{at, 0, nullptr};
  for (std::size_t depth = 1; low != high; ++depth) {
    if (low->bytes.size() == depth) {  // the shortest of a common prefix comes first
      best = {at, depth, low->token};
      ++low;
    }
    if (at + depth >= text.size()) break;
    const auto next = static_cast<unsigned char>(text[at + depth]);
    const auto byte_of = [depth](const Entry& e) { return static_cast<unsigned char>(e.bytes[depth]); };
    low = std::partition_point(low, high, [&](const Entry& e) { return byte_of(e) < next; });
    high = std::partition_point(low, high, [&](const Entry& e) { return byte_of(e) == next; });
  }
  return best;
}

}  // namespace mft
