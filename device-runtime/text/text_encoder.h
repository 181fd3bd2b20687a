// From text to ids: added tokens are taken out first, the stretches between them are cut into pre-tokens, and
// each pre-token is merged by itself. Works on the front of a text whose rest is still to come, so that a
// stream gives what the whole gives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/tokenizer_tables.h"
#include "text/word_encoder.h"

namespace mft {

class TextEncoder {
 public:
  // with_special: special tokens in the text become their ids. Tables and words must outlive it.
  TextEncoder(const TokenizerTables& tables, WordEncoder& words, bool with_special);

  // Encodes as much of the front of `text` as no later text can change, all of it when `final`, and returns
  // how many bytes that is. text: whole valid UTF-8 sequences. `offset`: of text in the whole, for messages.
  // Failure data.word-too-long.
  std::size_t encode_front(std::string_view text, bool final, std::uint64_t offset,
                           std::vector<std::int32_t>& out);

 private:
  std::size_t encode_level(std::size_t level, std::string_view text, bool final, std::uint64_t offset,
                           std::vector<std::int32_t>& out);
  std::size_t encode_words(std::string_view text, bool final, std::uint64_t offset,
                           std::vector<std::int32_t>& out);

  const TokenizerTables& tables_;
  WordEncoder& words_;
  AddedTokens added_[2];  // found in the text as it stands; then, between those, in normalised text
};

}  // namespace mft
