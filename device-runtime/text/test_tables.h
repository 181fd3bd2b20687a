// The small tables of test/fixtures/tokenizer/tiny.bin (byte-level) and tiny-marks.bin (SentencePiece's
// make), and seeded text. Tests only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"

namespace mft {

inline std::string tiny_path() { return std::string(MFT_FIXTURES) + "/tokenizer/tiny.bin"; }
inline std::string tiny_bytes() { return read_all(tiny_path(), 1 << 20); }
inline std::string marks_path() { return std::string(MFT_FIXTURES) + "/tokenizer/tiny-marks.bin"; }
inline std::string marks_bytes() { return read_all(marks_path(), 1 << 20); }

class TestRandom {
 public:
  explicit TestRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t below(std::uint64_t n) {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = (state_ ^ (state_ >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (z ^ (z >> 31)) % n;
  }

 private:
  std::uint64_t state_;
};

// Pieces that meet each other badly: words, spaces of all kinds, contractions, parts of added tokens, many
// scripts.
inline std::string hostile_text(std::uint64_t seed, std::size_t pieces) {
  static const std::vector<std::string> kPieces = {"hello",
                                                   " world",
                                                   "hello world",
                                                   "the",
                                                   " the",
                                                   "a",
                                                   "aa",
                                                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                                   "ab",
                                                   "ba",
                                                   " ",
                                                   "  ",
                                                   "     ",
                                                   "\n",
                                                   "\r\n",
                                                   "\n\n",
                                                   "\t",
                                                   "\xC2\xA0",
                                                   "\xE3\x80\x80",
                                                   "'",
                                                   "'s",
                                                   "'S",
                                                   "'r",
                                                   "'re",
                                                   "'ll",
                                                   "1",
                                                   "23",
                                                   "456",
                                                   "\xD9\xA3",
                                                   "!",
                                                   "...",
                                                   "-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=",
                                                   "\xC3\xA9",
                                                   "e\xCC\x81",
                                                   "\xE6\x97\xA5\xE6\x9C\xAC",
                                                   "\xF0\x9F\x98\x80",
                                                   "\xF0\x9D\x92\x9C",
                                                   "<|endoftext|>",
                                                   "<|end",
                                                   "<|pad|>",
                                                   "<|",
                                                   "|>",
                                                   "<",
                                                   "<|endof",
                                                   "text|>",
                                                   std::string(1, '\0'),
                                                   "\x7F",
                                                   "<mask>",
                                                   " <right>",
                                                   "word",
                                                   "> </",
                                                   "\xE2\x96\x81",
                                                   "\xCC\x81\xCC\xA7",
                                                   "\xE1\x84\x80\xE1\x85\xA1",
                                                   "\xE2\x80\x8D"};
  TestRandom random(seed);
  std::string text;
  for (std::size_t i = 0; i < pieces; ++i) text += kPieces[random.below(kPieces.size())];
  return text;
}

}  // namespace mft
