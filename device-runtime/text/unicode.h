// Code points: decoding, and the classes that pre-tokenizers ask for.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mft {

namespace unicode_tables {  // generated: unicode_tables.cc
extern const char* const kVersion;
extern const std::uint8_t kBlockOf[4352];  // by code point / 256
extern const std::uint64_t kBlocks[];      // 8 words a block, 2 bits a code point
extern const std::uint32_t kWordRanges[][2];  // first and last, sorted
extern const std::size_t kWordRangeCount;
}  // namespace unicode_tables

enum class CharClass : std::uint8_t {
  kOther = 0,
  kLetter = 1,  // \p{L}
  kNumber = 2,  // \p{N}
  kSpace = 3,   // \s: White_Space
};

// code_point < 0x110000.
inline CharClass class_of(std::uint32_t code_point) {
  const std::size_t block = unicode_tables::kBlockOf[code_point >> 8];
  const std::uint64_t word = unicode_tables::kBlocks[block * 8 + ((code_point >> 5) & 7)];
  return static_cast<CharClass>((word >> (2 * (code_point & 31))) & 3);
}

// \w as Rust's crate `regex` has it: alphabetic, marks, decimal numbers, connectors, join controls.
inline bool is_word(std::uint32_t code_point) {
  std::size_t low = 0;
  std::size_t high = unicode_tables::kWordRangeCount;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (unicode_tables::kWordRanges[middle][1] < code_point) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < unicode_tables::kWordRangeCount && unicode_tables::kWordRanges[low][0] <= code_point;
}

struct CodePoint {
  std::uint32_t value = 0;
  std::uint32_t bytes = 0;
};

// The code point at `p`, where whole valid UTF-8 stands.
inline CodePoint decode_valid(const char* p) {
  const auto at = [p](int i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(p[i])); };
  const std::uint32_t lead = at(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (at(1) & 0x3F), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | (at(1) & 0x3F) << 6 | (at(2) & 0x3F), 3};
  return {(lead & 0x07) << 18 | (at(1) & 0x3F) << 12 | (at(2) & 0x3F) << 6 | (at(3) & 0x3F), 4};
}

}  // namespace mft
