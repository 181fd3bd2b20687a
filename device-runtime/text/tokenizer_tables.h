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

// kWhole: a stretch between added tokens is one piece, as in SentencePiece.
enum class PreTokenizerKind : std::uint32_t { kGpt2 = 1, kQwen2 = 2, kLlama3 = 3, kDigits = 4, kWhole = 5 };

// kSpaceMark: every space is U+2581.
enum class NormalizerKind : std::uint32_t { kNone = 0, kNfc = 1, kSpaceMark = 2 };

inline constexpr std::uint32_t kNoToken = 0xFFFFFFFFu;
inline constexpr std::uint32_t kNoRank = 0xFFFFFFFFu;
inline constexpr std::uint32_t kSpaceMark = 0x2581;  // LOWER ONE EIGHTH BLOCK

struct AddedToken {
  std::uint32_t id;
  bool special;      // left out of decoded text when asked
  bool normalized;   // found in normalised text, after those that aren't
  bool lstrip;       // takes the white space before it
  bool rstrip;       // takes the white space behind it
  bool single_word;  // not beside a letter, number or other character of a word
};

class TokenizerTables {
 public:
  explicit TokenizerTables(MappedFile file);
  explicit TokenizerTables(std::string_view bytes);  // copies
  TokenizerTables(const TokenizerTables&) = delete;
  TokenizerTables& operator=(const TokenizerTables&) = delete;

  PreTokenizerKind pre_tokenizer() const { return pre_tokenizer_; }
  NormalizerKind normalizer() const { return normalizer_; }
  bool ignore_merges() const { return ignore_merges_; }
  // Words begin as characters, and only a character without a token as the tokens of its bytes (byte
  // fallback). Otherwise they begin as bytes.
  bool by_characters() const { return page_of_ != nullptr; }
  // Decoded text loses one space at its front.
  bool strips_front_space() const { return strips_front_space_; }
  // Tokens that stand before and behind a whole text.
  const std::vector<std::int32_t>& prefix() const { return prefix_; }
  const std::vector<std::int32_t>& suffix() const { return suffix_; }
  std::uint32_t token_count() const { return token_count_; }
  // Ids below it without the added tokens at the end.
  std::uint32_t text_token_count() const { return text_token_count_; }
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

  // Rank of merging the two, lower merges first; kNoRank: they don't merge. Ids below token_count().
  std::uint32_t find_merge(std::uint32_t left, std::uint32_t right) const {
    const std::uint64_t pair = std::uint64_t{left} << id_bits_ | right;
    std::uint32_t slot = home_of(pair);
    for (std::uint32_t probe = 0; probe <= max_probe_; ++probe) {
      const std::uint64_t merge = load64(merges_ + std::size_t{8} * slot);
      if (merge >> rank_bits_ == pair && merge != 0) return rank_of(merge);
      if (merge == 0) return kNoRank;
      if (++slot == slots_) slot = 0;
    }
    return kNoRank;
  }
  // The token that a merge makes. rank: of a merge that was found.
  std::uint32_t merged(std::uint32_t rank) const { return load32(merge_ids_ + std::size_t{4} * rank); }

  // The token of one character, kNoToken: none. by_characters() only; code_point < 0x110000.
  std::uint32_t character_id(std::uint32_t code_point) const {
    std::uint16_t page;
    std::memcpy(&page, page_of_ + std::size_t{2} * (code_point >> 8), 2);
    if (page == kNoPage) return kNoToken;
    return load32(pages_ + std::size_t{4} * (std::size_t{page} << 8 | (code_point & 0xFF)));
  }
  // False: no merge reaches over the place between these two characters. by_characters() only.
  bool may_join(std::uint32_t left, std::uint32_t right) const {
    const std::uint32_t bit = join_bit(left, right);
    return (joins_[bit >> 6] >> (bit & 63) & 1) != 0;
  }

  // The model's token with exactly these bytes; kNoToken: none, or the tables have no such index
  // (ignore_merges() only).
  std::uint32_t find_token(std::string_view bytes) const;

  const std::vector<AddedToken>& added() const { return added_; }  // sorted by their bytes
  bool is_special(std::uint32_t id) const { return special_[id]; }
  // The token stands for one byte of a character without a token. by_characters() only.
  bool is_byte(std::uint32_t id) const {
    const std::string_view bytes = token(id);
    return bytes.size() == 1 && byte_ids_[static_cast<unsigned char>(bytes[0])] == id;
  }

 private:
  static std::uint32_t load32(const unsigned char* p) {
    std::uint32_t value;
    std::memcpy(&value, p, 4);
    return value;
  }
  static std::uint64_t load64(const unsigned char* p) {
    std::uint64_t value;
    std::memcpy(&value, p, 8);
    return value;
  }
  static std::uint32_t hash(std::uint32_t left, std::uint32_t right) {
    std::uint32_t h = left * 0x9E3779B1u ^ right * 0x85EBCA77u;
    h ^= h >> 15;
    h *= 0x2C1B3C6Du;
    return h ^ (h >> 13);
  }
  std::uint32_t home_of(std::uint64_t pair) const {
    const auto left = static_cast<std::uint32_t>(pair >> id_bits_);
    const auto right = static_cast<std::uint32_t>(pair & ((std::uint64_t{1} << id_bits_) - 1));
    return static_cast<std::uint32_t>(std::uint64_t{hash(left, right)} * slots_ >> 32);
  }
  std::uint32_t rank_of(std::uint64_t merge) const {
    return static_cast<std::uint32_t>(merge & ((std::uint64_t{1} << rank_bits_) - 1)) - 1;
  }
  static std::uint32_t join_bit(std::uint32_t left, std::uint32_t right) {
    return hash(left, right) >> (32 - kJoinBits);
  }
  void open(const unsigned char* data, std::size_t size);
  void check_tokens(std::uint64_t blob_bytes) const;
  void check_byte_ids();
  void check_characters(std::uint32_t page_count) const;
  void check_merges(std::uint32_t merge_count);
  void check_added(const unsigned char* added, std::uint32_t count);
  void check_sorted_ids() const;
  void read_template(const unsigned char* ids, std::uint32_t prefix, std::uint32_t suffix);

  static constexpr std::uint16_t kNoPage = 0xFFFF;
  static constexpr int kJoinBits = 20;

  std::variant<MappedFile, std::vector<unsigned char>> storage_;
  PreTokenizerKind pre_tokenizer_ = PreTokenizerKind::kGpt2;
  NormalizerKind normalizer_ = NormalizerKind::kNone;
  bool ignore_merges_ = false;
  bool strips_front_space_ = false;
  std::uint32_t token_count_ = 0;
  std::uint32_t text_token_count_ = 0;
  std::uint32_t bos_ = kNoToken;
  std::uint32_t eos_ = kNoToken;
  int id_bits_ = 0;    // of an id in a merge slot
  int rank_bits_ = 0;  // of rank + 1 in a merge slot
  std::uint32_t slots_ = 0;
  std::uint32_t max_probe_ = 0;
  const unsigned char* token_offsets_ = nullptr;
  const unsigned char* token_bytes_ = nullptr;
  const unsigned char* merges_ = nullptr;
  const unsigned char* merge_ids_ = nullptr;
  const unsigned char* page_of_ = nullptr;
  const unsigned char* pages_ = nullptr;
  const unsigned char* sorted_ids_ = nullptr;
  std::uint32_t sorted_count_ = 0;
  std::uint32_t byte_ids_[256] = {};
  std::vector<AddedToken> added_;
  std::vector<bool> special_;         // by id
  std::vector<std::uint64_t> joins_;  // a bit for the hash of each pair of characters that some merge joins
  std::vector<std::int32_t> prefix_;
  std::vector<std::int32_t> suffix_;
};

}  // namespace mft
