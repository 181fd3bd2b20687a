#include "train/generate.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "train/attempt.h"
#include "train/continue_text.h"
#include "train/data.h"
#include "train/open_model.h"

namespace mft::train {
namespace {

std::vector<std::int32_t> encode_prompt(const models::Model& model, Tokenizer& tokenizer,
                                        const v1::GenerateTask& task, int index) {
  // What begins a text stands before a prompt too; what ends one does not, for the text goes on.
  std::vector<std::int32_t> prompt;
  if (!task.rendered()) prompt = tokenizer.prefix();
  tokenizer.encode(task.prompts(index), prompt);
  const std::uint32_t positions = model.config().max_positions();
  if (prompt.size() < positions) return prompt;
  throw Failure("generate.prompt-too-long",
                "prompt " + std::to_string(index + 1) + " has " + std::to_string(prompt.size()) +
                    " tokens, the model sees at most " + std::to_string(positions) + " with what it writes",
                "Use a shorter prompt.");
}

v1::Sample continue_prompt(models::Model& model, const Tokenizer& tokenizer, const v1::GenerateTask& task,
                           int index, std::span<const std::int32_t> prompt, const AnswerHooks& hooks) {
  const auto prompt_tokens = static_cast<std::uint32_t>(prompt.size());
  const std::uint32_t positions = model.config().max_positions();
  // A cache of its own: whatever was computed before leaves no trace in a text.
  KvSession session(model, prompt_tokens + std::min(task.max_tokens(), positions - prompt_tokens));
  const std::uint64_t seed = seed_of_text(task.seed(), static_cast<std::uint64_t>(index));
  v1::Sample sample = sample_of(continue_text(session, tokenizer, prompt, task, seed, hooks));
  sample.set_prompt(task.prompts(index));
  sample.set_prompt_index(static_cast<std::uint32_t>(index));
  return sample;
}

}  // namespace

std::optional<v1::Sample> generate(models::Model& model, Tokenizer& tokenizer, const v1::GenerateTask& task,
                                   const std::function<bool(std::uint64_t, std::uint64_t)>& before_token) {
  const std::vector<std::int32_t> prompt = encode_prompt(model, tokenizer, task, 0);
  v1::Sample sample = continue_prompt(model, tokenizer, task, 0, prompt, {before_token, {}});
  if (sample.end() == v1::Sample::END_INTERRUPTED) return std::nullopt;
  return sample;
}

v1::Finished run_generate(RunContext& context) {
  const v1::GenerateTask& task = context.spec.generate();
  Tokenizer tokenizer = open_tokenizer(context);
  const std::uint32_t positions = context.spec.model().config().max_positions();
  OpenModel opened = open_frozen_model(context, 1, std::min(kPromptChunk, positions));
  std::vector<std::vector<std::int32_t>> prompts;
  for (int i = 0; i < task.prompts_size(); ++i) {
    prompts.push_back(encode_prompt(*opened.model, tokenizer, task, i));
  }
  begin_attempt(context, attempt_started(context, opened));

  const std::uint64_t from = monotonic_us();
  PhaseProgress progress(context, "generate", "tokens");
  for (int i = 0; i < task.prompts_size(); ++i) {
    AnswerHooks hooks;
    hooks.before_token = [&](std::uint64_t done, std::uint64_t total) {
      progress(done, total);  // a stop passes through it as a Failure
      return false;
    };
    if (task.stream()) {
      hooks.on_text = [&](const std::string& piece) {
        v1::Event event;
        event.mutable_text_delta()->set_prompt_index(static_cast<std::uint32_t>(i));
        event.mutable_text_delta()->set_text(piece);
        context.events.emit(std::move(event));
      };
    }
    v1::Event event;
    *event.mutable_sample() = continue_prompt(*opened.model, tokenizer, task, i,
                                              prompts[static_cast<std::size_t>(i)], hooks);
    context.events.emit(std::move(event));
  }

  v1::Finished finished;
  finished.set_outcome(v1::Finished::OUTCOME_COMPLETED);
  finished.set_active_ms((monotonic_us() - from - context.steering.paused_us()) / 1000);
  return finished;
}

}  // namespace mft::train
