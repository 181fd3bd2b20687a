// What a model writes after a prompt, token by token, with its key-value cache: the loop behind generation, samples and
// conversations.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "mft/v1/run.pb.h"
#include "mft/v1/session.pb.h"
#include "text/tokenizer.h"
#include "train/kv_session.h"
#include "train/written_text.h"

namespace mft::train {

struct Answer {
  std::string text;
  std::uint32_t tokens = 0;  // picked, without the one that ended the text
  v1::Sample::End end = v1::Sample::END_UNSPECIFIED;
  std::uint32_t prompt_tokens = 0;
  std::uint32_t reused_tokens = 0;  // of these, found in the cache
  std::uint64_t prefill_us = 0;
  std::uint64_t duration_us = 0;  // with prefill_us
};

// What happens while it writes. Both may be empty.
struct AnswerHooks {
  // Before each piece of the prompt (done: 0) and each token; true ends it as END_INTERRUPTED.
  std::function<bool(std::uint64_t done, std::uint64_t total)> before_token;
  WrittenText::OnText on_text;
};

// Seed of the index-th text that one task writes: texts differ although their prompts may be the same, and the first is
// that of the seed itself.
std::uint64_t seed_of_text(std::uint64_t seed, std::uint64_t index);

// Continues `prompt` (ids that the model and the tokenizer have) with the settings of `task`, but for its prompts and
// seed. It ends when a token of the tokenizer's or the task's end of sequence is picked, a stop text is written, at
// task.max_tokens, or when the session is full. Failure as KvSession's and Sampler's.
Answer continue_text(KvSession& session, const Tokenizer& tokenizer, std::span<const std::int32_t> prompt,
                     const v1::GenerateTask& task, std::uint64_t seed, const AnswerHooks& hooks);

// Of a Sample, all that an answer says.
v1::Sample sample_of(const Answer& answer);

}  // namespace mft::train
