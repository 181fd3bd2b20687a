// Finds added tokens ("<|endoftext|>") in text: the leftmost, of those the longest, as Hugging Face's added
// vocabulary.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/tokenizer_tables.h"

namespace mft {

class AddedTokens {
 public:
  // Of the tables' added tokens those with this `normalized`, without the special ones unless with_special.
  // The tables must outlive it.
  AddedTokens(const TokenizerTables& tables, bool normalized, bool with_special);

  struct Match {
    std::size_t begin;
    std::size_t bytes;  // 0: none
    std::uint32_t id;
  };
  Match find(std::string_view text) const;

  // Bytes of the longest; 0: there are none.
  std::size_t longest() const { return longest_; }

 private:
  struct Entry {
    std::string_view bytes;
    std::uint32_t id;
  };
  Match longest_at(std::string_view text, std::size_t at) const;

  std::vector<Entry> entries_;              // sorted by bytes
  std::array<std::uint32_t, 257> first_{};  // entries that begin with byte b: [first_[b], first_[b + 1])
  int only_first_byte_ = -1;                // all begin with this one
  std::size_t longest_ = 0;
};

}  // namespace mft
