// tokenizer.bin, mapped (docs/tokenizer-format.md). Everything is checked when it is opened, so that the
// accessors need not: no index, offset or id that they return leads outside of the tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mapped_file.h"

namespace mft {

enum class PreTokenizerKind : std::uint32_t { kGpt2 = 1, kQwen2 = 2, kLlama3 = 3, kDigits = 4 };

inline constexpr std::uint32_t kNoToken = 0xFFFFFFFFu;

struct MergeSlot {
  std::uint32_t left;  // kNoToken: an empty slot
  std::uint32_t right;
  std::uint32_t rank;  // lower merges first
  std::uint32_t id;
};

struct AddedToken {
  std::uint32_t id;
  bool special;
  bool normalized;
};

class TokenizerTables {
 public:
  explicit TokenizerTables(MappedFile file);
  explicit TokenizerTables(std::string_view bytes);  // copies
  TokenizerTables(const TokenizerTables&) = delete;
  TokenizerTables& operator=(const TokenizerTables&) = delete;

  PreTokenizerKind pre_tokenizer() const { return pre_tokenizer_; }
  bool ignore_merges() const { return ignore_merges_; }
  std::uint32_t token_count() const { return token_count_; }
  std::uint32_t bos() const { return bos_; }  // kNoToken: none
  std::uint32_t eos() const { return eos_; }

  // Bytes of a token, none for an id that has none. id < token_count().
  std::string_view token(std::uint32_t id) const {
    const std::uint32_t begin = load32(token_offsets_ + std::size_t{4} * id);
    const std::uint32_t end = load32(token_offsets_ + std::size_t{4} * id + 4);
    return {reinterpret_cast<const char*>(token_bytes_) + begin, end - begin};
  }

  // kNoToken only for a byte that UTF-8 can't hold.
  std::uint32_t byte_id(unsigned char byte) const { return byte_ids_[byte]; }

  // False: the two don't merge.
  bool find_merge(std::uint32_t left, std::uint32_t right, MergeSlot* merge) const {
    std::uint32_t slot = hash(left, right);
    for (std::uint32_t probe = 0; probe <= max_probe_; ++probe, ++slot) {
      std::memcpy(merge, merges_ + sizeof(MergeSlot) * (slot & slot_mask_), sizeof(MergeSlot));
      if (merge->left == left && merge->right == right) return true;
      if (merge->left == kNoToken) return false;
    }
    return false;
  }

  // The model's token with exactly these bytes; kNoToken: none, or the tables have no such index
  // (ignore_merges() only).
  std::uint32_t find_token(std::string_view bytes) const;

  const std::vector<AddedToken>& added() const { return added_; }  // sorted by their bytes
  bool is_special(std::uint32_t id) const { return special_[id]; }

 private:
  static std::uint32_t load32(const unsigned char* p) {
    std::uint32_t value;
    std::memcpy(&value, p, 4);
    return value;
  }
  static std::uint32_t hash(std::uint32_t left, std::uint32_t right) {
    std::uint32_t h = left * 0x9E3779B1u ^ right * 0x85EBCA77u;
    h ^= h >> 15;
    h *= 0x2C1B3C6Du;
    return h ^ (h >> 13);
  }
  void open(const unsigned char* data, std::size_t size);
  void check_tokens(std::uint64_t blob_bytes) const;
  void check_byte_ids();
  void check_merges(std::uint32_t merge_count) const;
  void check_added(const unsigned char* added, std::uint32_t count);
  void check_sorted_ids() const;

  std::variant<MappedFile, std::vector<unsigned char>> storage_;
  PreTokenizerKind pre_tokenizer_ = PreTokenizerKind::kGpt2;
  bool ignore_merges_ = false;
  std::uint32_t token_count_ = 0;
  std::uint32_t bos_ = kNoToken;
  std::uint32_t eos_ = kNoToken;
  std::uint32_t slot_mask_ = 0;
  std::uint32_t max_probe_ = 0;
  const unsigned char* token_offsets_ = nullptr;
  const unsigned char* token_bytes_ = nullptr;
  const unsigned char* merges_ = nullptr;
  const unsigned char* sorted_ids_ = nullptr;
  std::uint32_t sorted_count_ = 0;
  std::uint32_t byte_ids_[256] = {};
  std::vector<AddedToken> added_;
  std::vector<bool> special_;  // by id
};

}  // namespace mft
