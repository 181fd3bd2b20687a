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
  // Of the tables' added tokens those with this `normalized`. The tables must outlive it.
  AddedTokens(const TokenizerTables& tables, bool normalized);

  struct Match {
    std::size_t begin;
    std::size_t bytes;        // 0: none
    const AddedToken* token;  // nullptr: none
  };
  // The first match that begins at `from` or behind it; begin counts from the start of `text`.
  Match find(std::string_view text, std::size_t from = 0) const;

  std::size_t longest() const { return longest_; }           // bytes; 0: there are none
  bool any_lstrip() const { return any_lstrip_; }            // one takes the white space before it
  bool any_looks_behind() const { return any_behind_; }      // one depends on what stands behind it

 private:
  struct Entry {
    std::string_view bytes;
    const AddedToken* token;
  };
  Match longest_at(std::string_view text, std::size_t at) const;

  std::vector<Entry> entries_;              // sorted by bytes
  std::array<std::uint32_t, 257> first_{};  // entries that begin with byte b: [first_[b], first_[b + 1])
  int only_first_byte_ = -1;                // all begin with this one
  std::size_t longest_ = 0;
  bool any_lstrip_ = false;
  bool any_behind_ = false;
};

}  // namespace mft
