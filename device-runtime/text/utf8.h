// Whether bytes are UTF-8 (RFC 3629: shortest forms, no surrogates, up to U+10FFFF), and what to show when
// they aren't.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace mft {

// Length of the sequence that a byte begins, 1..4; 0: it begins none.
inline std::size_t utf8_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xC2 ? 0 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : byte < 0xF5 ? 4 : 0;
}

// Bytes at the front that are ASCII, counted in steps of eight: perhaps fewer than there are, 0 only before a
// byte that isn't or near the end.
inline std::size_t ascii_prefix(std::string_view bytes) {
  std::size_t at = 0;
  while (at + 8 <= bytes.size()) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + at, 8);
    if ((word & 0x8080808080808080u) != 0) break;
    at += 8;
  }
  return at;
}

void append_utf8(std::uint32_t code_point, std::string& out);

// Length of the longest valid prefix. When the bytes end inside a sequence that was valid so far, it ends
// before that sequence and *cut is set.
std::size_t valid_utf8_prefix(std::string_view bytes, bool* cut);

// Checks a text that comes in pieces, cut anywhere.
class Utf8Checker {
 public:
  // Failure data.not-utf8, with the byte offset and the line (both of the whole text) of the first byte that
  // begins no valid sequence. Offsets count from 0, lines from 1.
  void feed(std::string_view piece);
  void finish() const;  // Failure data.not-utf8 when the text ends inside a sequence

  // Bytes at the end of what was fed that are the beginning of an unfinished sequence, 0..3.
  std::size_t unfinished() const { return held_; }
  std::uint64_t lines() const { return lines_; }  // line feeds so far
  std::uint64_t checked() const { return checked_; }  // bytes that are valid, up to the first that is not

 private:
  std::uint64_t checked_ = 0;  // bytes known to be valid
  std::uint64_t lines_ = 0;
  char front_[4] = {};  // the unfinished sequence
  std::size_t held_ = 0;
};

// Length of the maximal part of a sequence at the front of bytes that begin with none whole, at least 1.
std::size_t invalid_utf8_part(std::string_view bytes);

// The text with every maximal part of an invalid sequence replaced by U+FFFD, as the WHATWG and Rust's
// from_utf8_lossy do.
std::string replace_invalid_utf8(std::string_view bytes);

}  // namespace mft
