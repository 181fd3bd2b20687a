#include "train/continue_text.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "train/sampler.h"

namespace mft::train {
namespace {

// Tokens of a prompt between two looks at what was asked meanwhile.
constexpr std::uint32_t kPromptPiece = 256;

std::vector<std::int32_t> ends_of(const Tokenizer& tokenizer, const v1::GenerateTask& task) {
  if (task.ignore_eos()) return {};
  std::vector<std::int32_t> ends = {tokenizer.eos()};  // -1, none: never picked
  for (const std::uint32_t id : task.eos()) ends.push_back(static_cast<std::int32_t>(id));
  return ends;
}

class Writer {
 public:
  Writer(KvSession& session, const Tokenizer& tokenizer, std::span<const std::int32_t> prompt,
         const v1::GenerateTask& task, std::uint64_t seed, const AnswerHooks& hooks)
      : session_(&session),
        prompt_(prompt),
        hooks_(&hooks),
        ids_(static_cast<std::size_t>(tokenizer.vocab_size())),
        ends_(ends_of(tokenizer, task)),
        max_tokens_(task.max_tokens()),
        sampler_(SamplingOptions::of(task, seed)),
        written_(tokenizer, prompt, {task.stop().begin(), task.stop().end()}, hooks.on_text) {
    const auto size = static_cast<std::uint32_t>(prompt.size());
    answer_.prompt_tokens = size;
    limit_ = std::min(max_tokens_, session.capacity() - std::min(session.capacity(), size));
    sampler_.see(prompt);
  }

  Answer write() {
    const std::uint64_t from = monotonic_us();
    answer_.end = pick_tokens(from);
    if (answer_.end != v1::Sample::END_STOP_TEXT && written_.finish()) answer_.end = v1::Sample::END_STOP_TEXT;
    answer_.text = written_.text();
    answer_.duration_us = monotonic_us() - from;
    return std::move(answer_);
  }

 private:
  bool given_up() const { return hooks_->before_token && hooks_->before_token(answer_.tokens, limit_); }

  v1::Sample::End pick_tokens(std::uint64_t from) {
    if (limit_ == 0) return v1::Sample::END_CONTEXT_FULL;
    const std::optional<std::span<const float>> first = read_prompt();
    if (!first) return v1::Sample::END_INTERRUPTED;
    answer_.prefill_us = monotonic_us() - from;
    std::span<const float> logits = *first;
    for (;;) {
      if (given_up()) return v1::Sample::END_INTERRUPTED;
      // A model's embedding may have more rows than the tokenizer has ids, or none for some added tokens.
      const std::int32_t token = sampler_.pick(logits.first(std::min(logits.size(), ids_)));
      if (std::ranges::find(ends_, token) != ends_.end()) return v1::Sample::END_OF_SEQUENCE;
      ++answer_.tokens;
      if (written_.push(token)) return v1::Sample::END_STOP_TEXT;
      if (answer_.tokens == limit_) break;
      sampler_.see({&token, 1});
      logits = session_->next(token);
    }
    return limit_ == max_tokens_ ? v1::Sample::END_MAX_TOKENS : v1::Sample::END_CONTEXT_FULL;
  }

  // Logits after the prompt; absent: given up.
  std::optional<std::span<const float>> read_prompt() {
    const auto size = static_cast<std::uint32_t>(prompt_.size());
    // The last token is always computed: its logits are what is wanted.
    answer_.reused_tokens = std::min(session_->common_with(prompt_), size - 1);
    for (std::uint32_t done = answer_.reused_tokens;;) {
      if (given_up()) return std::nullopt;
      done = std::min(done + kPromptPiece, size);
      const std::span<const float> logits = session_->feed(prompt_.first(done)).logits;
      if (done == size) return logits;
    }
  }

  KvSession* session_;
  std::span<const std::int32_t> prompt_;
  const AnswerHooks* hooks_;
  std::size_t ids_;
  std::vector<std::int32_t> ends_;
  std::uint32_t max_tokens_;
  std::uint32_t limit_ = 0;  // max_tokens, or what the cache has room for
  Sampler sampler_;
  WrittenText written_;
  Answer answer_;
};

}  // namespace

std::uint64_t seed_of_text(std::uint64_t seed, std::uint64_t index) {
  if (index == 0) return seed;
  // SplitMix64's finisher: neighbouring indices give streams that have nothing in common.
  std::uint64_t z = seed ^ (index * 0xD1B54A32D192ED03u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

Answer continue_text(KvSession& session, const Tokenizer& tokenizer, std::span<const std::int32_t> prompt,
                     const v1::GenerateTask& task, std::uint64_t seed, const AnswerHooks& hooks) {
  return Writer(session, tokenizer, prompt, task, seed, hooks).write();
}

v1::Sample sample_of(const Answer& answer) {
  v1::Sample sample;
  sample.set_text(answer.text);
  sample.set_tokens(answer.tokens);
  sample.set_end(answer.end);
  sample.set_prompt_tokens(answer.prompt_tokens);
  sample.set_reused_tokens(answer.reused_tokens);
  sample.set_prefill_ms(static_cast<std::uint32_t>(answer.prefill_us / 1000));
  sample.set_duration_ms(static_cast<std::uint32_t>(answer.duration_us / 1000));
  return sample;
}

}  // namespace mft::train
