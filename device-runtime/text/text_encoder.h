// From text to ids: added tokens are taken out first, the stretches between them are normalised and cut into
// pre-tokens, and each pre-token is merged by itself. Works on the front of a text whose rest is still to
// come, so that a stream gives what the whole gives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/tokenizer_tables.h"
#include "text/word_encoder.h"

namespace mft {

// Failure data.word-too-long; offset: of the word in its text.
[[noreturn]] void fail_word(std::uint64_t offset);

// One text. After a part that was `final` it is as new.
class TextEncoder {
 public:
  // raw: the added tokens of text as it stands; normal: those of normalised text. with_special: special
  // tokens in the text become their ids. All must outlive it.
  TextEncoder(const TokenizerTables& tables, WordEncoder& words, const AddedTokens& raw,
              const AddedTokens& normal, bool with_special);

  // Encodes as much of the front of `text` as no later text can change, all of it when `final`, and returns
  // how many bytes that is; what follows is to come again at the front of the next part. text: whole valid
  // UTF-8 sequences. `offset`: of text in the whole, for messages. Failure data.word-too-long.
  std::size_t encode_front(std::string_view text, bool final, std::uint64_t offset,
                           std::vector<std::int32_t>& out);

 private:
  // The two passes over added tokens.
  struct Level {
    const AddedTokens* added;
    bool after_word = false;  // the stretch goes on after a character of a word, given in an earlier part
  };
  struct Bounds {
    std::size_t begin;
    std::size_t end;
    bool taken;  // false: one that stays text
    bool wait;   // more text may decide otherwise
  };

  std::size_t encode_level(std::size_t level, std::string_view text, bool final, std::uint64_t offset,
                           std::vector<std::int32_t>& out);
  Bounds bounds_of(const Level& level, const AddedTokens::Match& match, std::string_view text,
                   std::size_t done, bool final) const;
  std::size_t encode_below(std::size_t level, std::string_view text, bool final, std::uint64_t offset,
                           std::vector<std::int32_t>& out);
  std::size_t encode_normalized(std::string_view text, bool final, std::uint64_t offset,
                                std::vector<std::int32_t>& out);
  std::size_t encode_words(std::string_view text, bool final, std::uint64_t offset,
                           std::vector<std::int32_t>& out);

  const TokenizerTables& tables_;
  WordEncoder& words_;
  const bool with_special_;
  Level levels_[2];
  std::string normal_;            // normalised text of the stretch that is not encoded yet (NFC only)
  std::size_t next_try_ = 0;      // bytes of it before the next attempt
};

}  // namespace mft
