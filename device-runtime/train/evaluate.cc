#include "train/evaluate.h"

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "kernels/math.h"
#include "train/attempt.h"
#include "train/choices.h"
#include "train/data.h"
#include "train/open_model.h"
#include "train/perplexity.h"
#include "train/windows.h"

namespace mft::train {

std::optional<SplitLoss> evaluate_split(
    models::Model& model, const Split& split, std::uint32_t batch_size, std::uint32_t max_batches,
    const std::function<bool(std::uint64_t, std::uint64_t)>& before_batch) {
  std::uint64_t batches = (split.rows() + batch_size - 1) / batch_size;
  if (max_batches != 0) batches = std::min<std::uint64_t>(batches, max_batches);
  models::LossSum total;
  Batch batch;
  for (std::uint64_t i = 0; i < batches; ++i) {
    if (before_batch(i, batches)) return std::nullopt;
    fill_in_order(split, i * batch_size, batch_size, batch);
    const models::LossSum part = model.evaluate(view(batch));
    total.sum += part.sum;
    total.labels += part.labels;
  }
  if (total.labels == 0)
    throw Failure("data.too-short", "the text has no token to predict", "Give a longer text.");
  return SplitLoss{total.sum / static_cast<double>(total.labels), total.labels};
}

v1::Evaluation evaluation_event(std::uint32_t step, const SplitLoss& result, std::uint64_t duration_us) {
  v1::Evaluation evaluation;
  evaluation.set_step(step);
  evaluation.set_loss(static_cast<float>(result.loss));
  evaluation.set_perplexity(kernels::math::exp(result.loss));
  evaluation.set_tokens(result.labels);
  evaluation.set_duration_ms(static_cast<std::uint32_t>(duration_us / 1000));
  return evaluation;
}

namespace {

std::string data_name(const v1::DataConfig& data) {
  const v1::DataFile& file = data.has_validation() ? data.validation() : data.train();
  return file.display_name().empty() ? "the file" : file.display_name();
}

SplitLoss evaluate_text(RunContext& context, models::Model& model, const TokenFile& tokens) {
  const v1::EvaluateTask& task = context.spec.evaluate();
  const std::uint32_t length = context.spec.data().sequence_length();
  const Windows windows(tokens.size(), length, task.stride() != 0 ? task.stride() : length);
  return evaluate_windows(model, tokens, windows, task.batch_size(),
                          PhaseProgress(context, "evaluate", "windows"));
}

// Of what a training would learn of each record.
SplitLoss evaluate_records(RunContext& context, models::Model& model, const TokenFile& tokens) {
  const Split rows = whole_file(tokens, row_options(context.spec));
  PhaseProgress progress(context, "evaluate", "batches");
  return *evaluate_split(model, rows, context.spec.evaluate().batch_size(), 0,
                         [&](std::uint64_t done, std::uint64_t total) {
                           progress(done, total);  // a stop passes through it as a Failure
                           return false;
                         });
}

}  // namespace

v1::Finished run_evaluate(RunContext& context) {
  if (context.spec.evaluate().has_choices()) return run_choices(context);
  const v1::EvaluateTask& task = context.spec.evaluate();
  const v1::DataConfig& data = context.spec.data();
  const TokenFile tokens =
      open_tokens(context, data.has_validation() ? data.validation() : data.train(), "evaluate");
  const bool records = tokens.format() != v1::DATA_FORMAT_TEXT;
  if (records && task.stride() != 0) {
    throw Failure("spec.invalid", "evaluate.stride is for a text, and " + data_name(data) + " holds records",
                  "Leave --stride out: each record is by itself.");
  }
  OpenModel opened = open_frozen_model(context, task.batch_size(), data.sequence_length());
  v1::AttemptStarted started = attempt_started(context, opened);
  started.set_validation_tokens(tokens.size());
  started.set_data_format(tokens.format());
  if (records) started.set_validation_records(tokens.records());
  begin_attempt(context, std::move(started));

  const std::uint64_t from = monotonic_us();
  const SplitLoss result = records ? evaluate_records(context, *opened.model, tokens)
                                   : evaluate_text(context, *opened.model, tokens);
  const std::uint64_t active_us = monotonic_us() - from - context.steering.paused_us();
  v1::Event event;
  *event.mutable_evaluation() = evaluation_event(0, result, active_us);
  event.mutable_evaluation()->set_best(true);
  context.events.emit(std::move(event));

  v1::Finished finished;
  finished.set_outcome(v1::Finished::OUTCOME_COMPLETED);
  finished.set_final_loss(static_cast<float>(result.loss));
  finished.set_active_ms(active_us / 1000);
  return finished;
}

}  // namespace mft::train
