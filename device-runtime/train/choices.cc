#include "train/choices.h"

#include <algorithm>
#include <memory>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "kernels/math.h"
#include "train/attempt.h"
#include "train/data.h"
#include "train/open_model.h"

namespace mft::train {
namespace {

constexpr std::uint32_t kChunk = 256;  // tokens the model takes at once: activations are planned for them

const v1::DataFile& data_file(const v1::RunSpec& spec) {
  return spec.data().has_validation() ? spec.data().validation() : spec.data().train();
}

// The file's questions, up to the limit; opened as often as they are read.
class QuestionFile {
 public:
  QuestionFile(const v1::RunSpec& spec, const std::string& path)
      : file_(File::open_read(path)),
        limit_(spec.evaluate().choices().limit()),
        source_([this](char* buffer, std::size_t capacity) { return read(buffer, capacity); },
                data_file(spec).display_name().empty() ? path : data_file(spec).display_name()),
        reader_(source_, spec.data().format(), spec.evaluate().choices().method(), fields_of(spec)) {}

  bool next(ChoiceRecord& record) {
    if (limit_ != 0 && count_ == limit_) return false;
    if (!reader_.next(record)) return false;
    count_ += 1;
    return true;
  }
  const ChoiceReader& reader() const { return reader_; }
  std::uint64_t count() const { return count_; }  // questions given so far
  std::uint64_t done() const { return done_; }    // bytes read
  std::uint64_t size() const { return file_.size(); }

 private:
  static ChoiceFields fields_of(const v1::RunSpec& spec) {
    ChoiceFields fields;
    const auto& names = spec.data().fields().names();
    const auto take = [&](std::string& field) {
      if (const auto other = names.find(field); other != names.end()) field = other->second;
    };
    take(fields.question);
    take(fields.choices);
    take(fields.answer);
    return fields;
  }
  std::size_t read(char* buffer, std::size_t capacity) {
    const std::size_t bytes = file_.read_at(buffer, capacity, done_);
    done_ += bytes;
    return bytes;
  }

  File file_;
  std::uint64_t limit_;
  std::uint64_t count_ = 0;
  std::uint64_t done_ = 0;
  LineSource source_;
  ChoiceReader reader_;
};

// What a look at the whole file, before anything is computed, says of it.
struct Overview {
  std::uint64_t questions = 0;
  std::uint64_t cut = 0;      // questions with a context that is too long
  std::uint32_t longest = 1;  // inputs
};

Overview look_through(RunContext& context, QuestionFile& file, Tokenizer& tokenizer,
                      std::uint32_t max_inputs) {
  PhaseProgress progress(context, "read questions", "bytes");
  Overview overview;
  ChoiceRecord record;
  while (file.next(record)) {
    progress(std::min(file.done(), file.size()), file.size());
    bool cut = false;
    for (const ContinuedText& text : encode_choices(tokenizer, file.reader(), record, max_inputs)) {
      overview.longest = std::max(overview.longest, static_cast<std::uint32_t>(text.tokens.size() - 1));
      cut = cut || text.cut;
    }
    overview.cut += cut;
  }
  overview.questions = file.count();
  return overview;
}

// Log-likelihoods of the last token of each, after the context that all have in common.
void score_in_one_pass(KvSession& session, const std::vector<ContinuedText>& choices,
                       v1::ChoiceScored& scored) {
  const ContinuedText& first = choices.front();
  const std::span<const float> logits =
      session.feed(std::span(first.tokens).first(first.from)).logits;
  const auto highest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float logit : logits) sum += kernels::math::exp(static_cast<double>(logit) - highest);
  const double log_sum = highest + kernels::math::log(sum);
  for (const ContinuedText& choice : choices) {
    const auto token = static_cast<std::size_t>(choice.tokens.back());
    if (token >= logits.size())
      throw Failure("data.token-range", "a choice has a token that the model has not");
    scored.add_log_likelihoods(static_cast<float>(static_cast<double>(logits[token]) - log_sum));
  }
}

bool take_one_pass(const std::vector<ContinuedText>& choices) {
  const auto context = std::span(choices.front().tokens).first(choices.front().from);
  return std::all_of(choices.begin(), choices.end(), [&](const ContinuedText& choice) {
    return choice.tokens.size() == choice.from + 1u && choice.from == context.size() &&
           std::equal(context.begin(), context.end(), choice.tokens.begin());
  });
}

template <typename Score>
std::uint32_t first_highest(int count, Score score) {
  int best = 0;
  for (int i = 1; i < count; ++i) {
    if (score(i) > score(best)) best = i;
  }
  return static_cast<std::uint32_t>(best);
}

v1::Evaluation evaluation_of(const ChoiceTotals& totals, std::uint64_t duration_us) {
  v1::Evaluation evaluation;
  evaluation.set_questions(totals.questions);
  evaluation.set_correct(totals.correct);
  evaluation.set_correct_norm(totals.correct_norm);
  evaluation.set_duration_ms(static_cast<std::uint32_t>(duration_us / 1000));
  evaluation.set_best(true);
  return evaluation;
}

}  // namespace

std::vector<ContinuedText> encode_choices(Tokenizer& tokenizer, const ChoiceReader& reader,
                                          const ChoiceRecord& record, std::uint32_t max_inputs) {
  std::vector<ContinuedText> texts;
  for (const std::string& continuation : record.continuations) {
    texts.push_back(encode_continuation(tokenizer, record.context, continuation, max_inputs));
    const ContinuedText& text = texts.back();
    if (text.from == text.tokens.size())
      reader.fail("a choice that adds a token to its context", "one that adds none");
    if (text.from == 0) {
      reader.fail("a choice of up to " + std::to_string(max_inputs) + " tokens after its context",
                  "a longer one, or nothing before it");
    }
  }
  return texts;
}

v1::ChoiceScored score_choices(KvSession& session, const ChoiceRecord& record,
                               const std::vector<ContinuedText>& choices) {
  v1::ChoiceScored scored;
  if (take_one_pass(choices)) {
    score_in_one_pass(session, choices, scored);
  } else {
    std::vector<models::TokenScore> scores;
    for (const ContinuedText& choice : choices) {
      session.score(choice.tokens, choice.from, scores);
      double sum = 0;
      for (const models::TokenScore& score : scores) sum += static_cast<double>(score.log_likelihood);
      scored.add_log_likelihoods(static_cast<float>(sum));
    }
  }
  for (const std::uint32_t characters : record.characters) scored.add_characters(characters);
  scored.set_answer(record.answer);
  const int count = scored.log_likelihoods_size();
  scored.set_predicted(first_highest(count, [&](int i) { return scored.log_likelihoods(i); }));
  scored.set_predicted_norm(first_highest(count, [&](int i) {
    return static_cast<double>(scored.log_likelihoods(i)) / scored.characters(i);
  }));
  scored.set_group(record.group);
  return scored;
}

v1::Finished run_choices(RunContext& context) {
  const v1::RunSpec& spec = context.spec;
  const v1::DataFile& data = data_file(spec);
  Tokenizer tokenizer = open_tokenizer(context);
  const std::string path =
      data.store_sha256().empty()
          ? data.device_path()
          : context.stored.verified(data.store_sha256(), PhaseProgress(context, "verify", "bytes"));
  const std::uint32_t positions = spec.model().config().max_positions();
  const std::uint32_t asked = spec.data().sequence_length();
  const std::uint32_t max_inputs = asked == 0 ? positions : std::min(asked, positions);

  QuestionFile preview(spec, path);
  const Overview overview = look_through(context, preview, tokenizer, max_inputs);
  if (overview.questions == 0)
    throw Failure("data.empty", data.display_name() + " has no question", "Give a file with questions.");
  if (overview.cut != 0) {
    const std::string cut = std::to_string(overview.cut) + " of " + std::to_string(overview.questions);
    context.warn("data.truncated", cut + " questions are longer than " + std::to_string(max_inputs) +
                                       " tokens: the beginning of what stands before the choices is cut off");
  }

  const std::uint32_t chunk = std::min(kChunk, overview.longest);
  OpenModel opened = open_frozen_model(context, 1, chunk);
  begin_attempt(context, attempt_started(context, opened));

  const std::uint64_t from = monotonic_us();
  ChoiceTotals totals = context.history.choices;  // of earlier attempts
  check_cache_memory(spec.model().config(), overview.longest);
  KvSession session(*opened.model, overview.longest);
  QuestionFile file(spec, path);
  PhaseProgress progress(context, "evaluate", "questions");
  ChoiceRecord record;
  while (file.next(record)) {
    const std::uint64_t index = file.count() - 1;
    if (index < totals.questions) continue;
    progress(index, overview.questions);
    v1::Event event;
    v1::ChoiceScored& scored = *event.mutable_choice_scored();
    scored = score_choices(session, record, encode_choices(tokenizer, file.reader(), record, max_inputs));
    scored.set_index(index);
    totals.add(scored);
    context.events.emit(std::move(event));
  }
  progress(totals.questions, totals.questions);

  const std::uint64_t active_us = monotonic_us() - from - context.steering.paused_us();
  v1::Event event;
  *event.mutable_evaluation() = evaluation_of(totals, active_us);
  context.events.emit(std::move(event));
  v1::Finished finished;
  finished.set_outcome(v1::Finished::OUTCOME_COMPLETED);
  finished.set_active_ms(active_us / 1000);
  return finished;
}

}  // namespace mft::train
