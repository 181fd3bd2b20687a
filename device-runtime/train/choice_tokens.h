// A text and how it may go on, as tokens: the rules of lm-evaluation-harness (EleutherAI, 0.4, HFLM's
// _encode_pair and _loglikelihood_tokens), so that a choice's likelihood is of the same tokens there and
// here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace mft::train {

struct ContinuedText {
  std::vector<std::int32_t> tokens;  // of the context, then of the continuation
  std::uint32_t from = 0;            // the continuation is tokens[from ..]; at least 1
  bool cut = false;                  // the context's beginning is missing
};

// The tokenizer's prefix (BOS) stands first. White space at the context's end goes to the continuation; the
// continuation is what the tokens of both together have beyond the number of those of the context. An empty
// context without a prefix becomes one token, BOS or else EOS. At most max_inputs + 1 tokens (the last is
// never an input): what is too much is cut off at the beginning. Absent tokens (from == tokens.size()) and
// too long continuations (from == 0) are for the caller to refuse.
ContinuedText encode_continuation(Tokenizer& tokenizer, const std::string& context,
                                  const std::string& continuation, std::uint32_t max_inputs);

}  // namespace mft::train
