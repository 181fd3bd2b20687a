// Whether bytes are UTF-8 (RFC 3629: shortest forms, no surrogates, up to U+10FFFF), and what to show when
// they aren't.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mft {

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

 private:
  std::uint64_t checked_ = 0;  // bytes known to be valid
  std::uint64_t lines_ = 0;
  char front_[4] = {};  // the unfinished sequence
  std::size_t held_ = 0;
};

// The text with every maximal part of an invalid sequence replaced by U+FFFD, as the WHATWG and Rust's
// from_utf8_lossy do.
std::string replace_invalid_utf8(std::string_view bytes);

}  // namespace mft
