// From ids to text, token by token, as the decoders of Hugging Face's `tokenizers` do it for the whole:
// ByteLevel, or Replace (U+2581 by a space), ByteFallback, Fuse and perhaps Strip.
#pragma once

#include <cstdint>
#include <string>

#include "text/tokenizer_tables.h"

namespace mft {

// One text. What is appended to `out` is valid UTF-8 and final; what later tokens may still change is held
// back: the beginning of a sequence, or (byte fallback) bytes in a row, which are a text all together or not
// at all.
class TextDecoder {
 public:
  // The tables must outlive it.
  TextDecoder(const TokenizerTables& tables, bool skip_special);

  // id < tables.token_count().
  void push(std::uint32_t id, std::string& out);
  // The text ends: what was held back.
  void finish(std::string& out);

 private:
  void append(std::string_view text, std::string& out);
  void finish_bytes(std::string& out);

  const TokenizerTables& tables_;
  const bool skip_special_;
  bool at_front_;     // nothing yet, and one space is to be left out there
  std::string held_;  // bytes
};

}  // namespace mft
