// Cuts text into pre-tokens (words, numbers, runs of punctuation and of spaces), inside which BPE merges.
// Each kind is a regular expression of the original tokenizer, written by hand over code points
// (docs/tokenizer-format.md).
#pragma once

#include <cstddef>

#include "text/tokenizer_tables.h"

namespace mft {

struct PreToken {
  std::size_t bytes = 0;  // from the start of the text, at least 1
  // The end of the text was looked at: with more text behind it the pre-token may be another one.
  bool open = false;
};

// The pre-token at the start of [text, end): whole valid UTF-8, not empty. The result depends on nothing
// before `text`.
PreToken next_pretoken(PreTokenizerKind kind, const char* text, const char* end);

}  // namespace mft
