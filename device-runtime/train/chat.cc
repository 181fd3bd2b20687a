#include "train/chat.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "train/attempt.h"
#include "train/continue_text.h"
#include "train/data.h"
#include "train/generate.h"
#include "train/open_model.h"

namespace mft::train {
namespace {

constexpr std::uint32_t kIdleSeconds = 600;

class Conversation : private Steerable {
 public:
  explicit Conversation(RunContext& context)
      : context_(context),
        task_(context.spec.chat()),
        tokenizer_(open_tokenizer(context)),
        opened_(open_frozen_model(context, 1, std::min(kPromptChunk, positions()))),
        session_(*opened_.model, checked_capacity()) {}

  v1::Finished hold() {
    begin_attempt(context_, attempt_started(context_, opened_));
    const std::chrono::seconds idle(task_.idle_seconds() != 0 ? task_.idle_seconds() : kIdleSeconds);
    while (const std::optional<Utterance> utterance = context_.steering.next_utterance(*this, idle)) {
      answer(*utterance);
      context_.steering.end_answer();
    }
    v1::Finished finished;
    finished.set_outcome(v1::Finished::OUTCOME_STOPPED);
    finished.set_active_ms(active_us_ / 1000);
    return finished;
  }

 private:
  std::uint32_t positions() const { return context_.spec.model().config().max_positions(); }

  std::uint32_t checked_capacity() const {
    const std::uint32_t tokens =
        task_.context_length() != 0 ? task_.context_length() : std::min(kChatContext, positions());
    check_cache_memory(context_.spec.model().config(), tokens);
    return tokens;
  }

  void answer(const Utterance& utterance) {
    const v1::Control& control = utterance.control;
    std::vector<std::int32_t> prompt;
    try {
      prompt = encode(control.say().text());
    } catch (const Failure& failure) {
      return context_.steering.acknowledge_utterance(control, false, failure.what());
    }
    context_.steering.acknowledge_utterance(control, true, "");
    v1::Event event;
    v1::Sample& sample = *event.mutable_sample();
    if (prompt.size() >= session_.capacity()) {  // the host is told how long it is
      sample.set_end(v1::Sample::END_CONTEXT_FULL);
      sample.set_prompt_tokens(static_cast<std::uint32_t>(prompt.size()));
    } else {
      sample = sample_of(write(control, prompt));
    }
    sample.set_control_id(control.id());
    context_.events.emit(std::move(event));
  }

  // Failure data.* for what can't be answered.
  std::vector<std::int32_t> encode(const std::string& text) {
    std::vector<std::int32_t> prompt;
    if (!task_.sampling().rendered()) prompt = tokenizer_.prefix();
    tokenizer_.encode(text, prompt);
    if (prompt.empty()) throw Failure("data.empty", "nothing was said");
    const std::uint32_t rows = context_.spec.model().config().vocab_size();
    for (const std::int32_t token : prompt) {
      if (static_cast<std::uint32_t>(token) < rows) continue;
      throw Failure("data.token-range", "the model has no embedding for '" + tokenizer_.decode({token}) + "'");
    }
    return prompt;
  }

  Answer write(const v1::Control& control, const std::vector<std::int32_t>& prompt) {
    v1::GenerateTask sampling = task_.sampling();
    if (control.say().max_tokens() != 0) sampling.set_max_tokens(control.say().max_tokens());
    AnswerHooks hooks;
    hooks.before_token = [&](std::uint64_t, std::uint64_t) { return context_.steering.during_answer(*this); };
    hooks.on_text = [&](const std::string& piece) {
      v1::Event event;
      event.mutable_text_delta()->set_control_id(control.id());
      event.mutable_text_delta()->set_text(piece);
      context_.events.emit(std::move(event));
    };
    // By the length of what stands before it: the same conversation is answered the same in another attempt, too.
    const std::uint64_t seed = seed_of_text(sampling.seed(), prompt.size());
    const std::uint64_t paused = context_.steering.paused_us();
    Answer answer = continue_text(session_, tokenizer_, prompt, sampling, seed, hooks);
    active_us_ += answer.duration_us - (context_.steering.paused_us() - paused);
    return answer;
  }

  std::string set_threads(std::uint32_t threads) override { return train::set_threads(*opened_.pool, threads); }
  std::string checkpoint_now() override {
    throw Failure("control.refused", "a conversation has no checkpoints");
  }
  std::string evaluate_now() override { throw Failure("control.refused", "a conversation has no data"); }

  RunContext& context_;
  const v1::ChatTask& task_;
  Tokenizer tokenizer_;
  OpenModel opened_;
  KvSession session_;
  std::uint64_t active_us_ = 0;
};

}  // namespace

v1::Finished run_chat(RunContext& context) {
  context.steering.converse();  // what is said while the model is being opened waits
  return Conversation(context).hold();
}

}  // namespace mft::train
