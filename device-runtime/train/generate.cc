#include "train/generate.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "train/attempt.h"
#include "train/data.h"
#include "train/open_model.h"
#include "train/sampler.h"

namespace mft::train {
namespace {

// The key-value cache is given back also when a Failure passes.
class Generation {
 public:
  Generation(models::Model& model, std::uint32_t max_length) : model_(&model) {
    model.begin_generation(max_length);
  }
  ~Generation() { model_->end_generation(); }
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

 private:
  models::Model* model_;
};

}  // namespace

std::optional<v1::Sample> generate(models::Model& model, Tokenizer& tokenizer, const v1::GenerateTask& task,
                                   const std::function<bool(std::uint64_t, std::uint64_t)>& before_token) {
  const std::uint64_t from = monotonic_us();
  // What begins a text stands before a prompt too; what ends one does not, for the text goes on.
  std::vector<std::int32_t> prompt = tokenizer.prefix();
  tokenizer.encode(task.prompts(0), prompt);
  const std::uint32_t positions = model.config().max_positions();
  if (prompt.size() >= positions) {
    throw Failure("generate.prompt-too-long",
                  "the prompt has " + std::to_string(prompt.size()) + " tokens, the model sees at most " +
                      std::to_string(positions),
                  "Use a shorter prompt.");
  }
  const auto prompt_tokens = static_cast<std::uint32_t>(prompt.size());
  const std::uint32_t limit = std::min(task.max_tokens(), positions - prompt_tokens);

  Sampler sampler(task.temperature(), task.top_k(), task.top_p(), task.seed());
  std::vector<std::int32_t> text;
  const Generation generation(model, prompt_tokens + limit);
  std::span<const float> logits = model.prefill(prompt);
  for (std::uint32_t done = 0; done < limit; ++done) {
    if (before_token(done, limit)) return std::nullopt;
    // A model's embedding may have more rows than the tokenizer has ids, or none for some added tokens.
    const std::size_t ids = std::min(logits.size(), static_cast<std::size_t>(tokenizer.vocab_size()));
    const std::int32_t token = sampler.pick(logits.first(ids));
    if (token == tokenizer.eos()) break;
    text.push_back(token);
    if (done + 1 < limit) logits = model.next(token);
  }
  v1::Sample sample;
  sample.set_prompt(task.prompts(0));
  sample.set_text(tokenizer.decode(text));
  sample.set_tokens(static_cast<std::uint32_t>(text.size()));
  sample.set_duration_ms(static_cast<std::uint32_t>((monotonic_us() - from) / 1000));
  return sample;
}

v1::Finished run_generate(RunContext& context) {
  Tokenizer tokenizer = open_tokenizer(context);
  OpenModel opened = open_frozen_model(context, 1, context.spec.model().config().max_positions());
  begin_attempt(context, attempt_started(context, opened));

  const std::uint64_t from = monotonic_us();
  PhaseProgress progress(context, "generate", "tokens");
  std::optional<v1::Sample> sample = generate(*opened.model, tokenizer, context.spec.generate(),
                                              [&](std::uint64_t done, std::uint64_t total) {
                                                progress(done, total);
                                                return false;
                                              });
  v1::Event event;
  *event.mutable_sample() = std::move(*sample);
  context.events.emit(std::move(event));

  v1::Finished finished;
  finished.set_outcome(v1::Finished::OUTCOME_COMPLETED);
  finished.set_active_ms((monotonic_us() - from - context.steering.paused_us()) / 1000);
  return finished;
}

}  // namespace mft::train
