#include "train/trainer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/sha256.h"
#include "train/attempt.h"
#include "train/data.h"
#include "train/evaluate.h"
#include "train/generate.h"
#include "train/schedule.h"

namespace mft::train {
namespace {

models::ModelOptions options_of(const v1::RunSpec& spec) {
  const v1::TrainTask& task = spec.train();
  models::ModelOptions options;
  options.method = task.full() ? models::Method::kFull : models::Method::kLora;
  if (!task.full()) options.adapters = {task.lora().targets().begin(), task.lora().targets().end()};
  options.adapter_dropout = task.full() ? 0 : task.lora().dropout();
  options.seed = spec.seed();
  options.compute = compute_of(spec);
  options.max_tokens = task.batch_size() * spec.data().sequence_length();
  options.max_length = spec.data().sequence_length();
  return options;
}

std::uint32_t steps_of(const v1::TrainTask& task, std::uint64_t rows_per_epoch) {
  if (task.steps() != 0) return task.steps();
  const double rows = static_cast<double>(task.epochs()) * static_cast<double>(rows_per_epoch);
  const double steps = std::ceil(rows / (static_cast<double>(task.batch_size()) * task.accumulation()));
  if (!(steps < 4294967295.0))
    throw Failure("spec.invalid", "train.epochs makes too many steps", "Set train.steps.");
  return std::max<std::uint32_t>(static_cast<std::uint32_t>(steps), 1);
}

[[noreturn]] void diverged(const std::string& what, std::uint32_t step) {
  throw Failure("train.diverged", what + " of step " + std::to_string(step) + " is not a finite number",
                "Use a lower learning rate, a longer warm-up or gradient clipping, then start a new run.");
}

}  // namespace

Trainer::Trainer(RunContext& context)
    : context_(context),
      task_(context.spec.train()),
      best_weights_(context.folder.best(), context.folder.id()) {
  from_ = newest_checkpoint(
      context.folder.checkpoints(), context.folder.id(),
      [&](std::uint32_t step, const std::string& why) {
        context.warn("checkpoint.broken", "the checkpoint of step " + std::to_string(step) +
                                              " can't be used, going on from the one before: " + why);
      },
      // Which step a control would take effect at is not known before: it waits.
      PhaseProgress(context, "verify checkpoint", "bytes", PhaseProgress::Controls::kWait));
  if (from_) context.from_step = from_->manifest.step();
  context.steering.begin(context.from_step, from_ ? from_->manifest.controls()
                                                  : google::protobuf::RepeatedPtrField<v1::AppliedControl>());
  data_ = std::make_unique<Dataset>(open_dataset(context));
  total_steps_ = steps_of(task_, data_->train().rows());
  opened_ = open_model(context, options_of(context.spec), from_ ? &*from_ : nullptr);
  optimizer_ = std::make_unique<AdamW>(task_.optimizer(), *opened_.model, *opened_.pool);
  batches_.resize(task_.accumulation());
  if (from_) restore(*from_);
  from_.reset();
  best_weights_.keep_only(best_.step);  // what was found after the checkpoint will be found again
}

void Trainer::restore(const LoadedCheckpoint& checkpoint) {
  const v1::CheckpointManifest& manifest = checkpoint.manifest;
  const std::unique_ptr<store::Segments> moments =
      store::Segments::open(checkpoint.optimizer, store::Residency::kMapped);
  for (std::size_t i = 0; i < moments->count(); ++i) optimizer_->load(moments->pin(i));
  steps_done_ = manifest.step();
  cursor_ = manifest.data_cursor();
  tokens_seen_ = manifest.tokens_seen();
  active_us_ = manifest.active_ms() * 1000;
  last_loss_ = manifest.loss();
  best_.restore(manifest);
  if (manifest.has_validation_loss()) evaluated_ = {steps_done_, manifest.validation_loss()};
  saved_ = steps_done_;
}

void Trainer::announce() {
  v1::AttemptStarted started = attempt_started(context_, opened_);
  started.set_total_steps(total_steps_);
  describe_dataset(*data_, started);
  begin_attempt(context_, std::move(started));
  warn_of_disk();
}

// A checkpoint that does not fit is found out after hours: say so at the start.
void Trainer::warn_of_disk() {
  const std::uint64_t trainable = opened_.model->trainable_count() * sizeof(float);
  const std::uint64_t checkpoints =
      task_.checkpoint_every() == 0 ? 0 : std::max(task_.keep_checkpoints(), 1u) + 1ull;
  // Two of the best and either one being written or the result.
  const std::uint64_t needed = trainable * (3 * checkpoints + (keeps_best() ? 3 : 1));
  const std::uint64_t free = disk_free_bytes(context_.folder.path());
  if (free >= needed) return;
  context_.warn("disk.low", "the phone has " + std::to_string(free >> 20) +
                                " MiB free, checkpoints and the result need up to " +
                                std::to_string(needed >> 20) + " MiB");
}

v1::Finished Trainer::run() {
  announce();
  if (steps_done_ == 0) show_sample();
  // A stop may have cut the evaluation of the step we go on from: the record has it all the same.
  if (evaluation_due() && planned_evaluation()) return finish(true);
  return finish(train());
}

bool Trainer::train() {
  while (steps_done_ < total_steps_ && !ends_early()) {
    if (step()) return true;
    after_step();
    if (context_.steering.after_step(steps_done_, *this)) return true;
  }
  // A pause asked for during the last step holds the end of the run, too.
  return context_.steering.between_batches(steps_done_, this) ||
         context_.steering.after_step(steps_done_, *this);
}

bool Trainer::step() {
  const std::uint64_t rows = task_.batch_size();
  std::uint64_t labels = 0;
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    data_->fill_train(cursor_ + i * rows, task_.batch_size(), context_.spec.data().shuffle(),
                      context_.spec.seed(), batches_[i]);
    labels += batches_[i].labels;
  }
  const std::uint64_t cpu_from = process_cpu_us();
  std::uint64_t work_us = 0;
  double sum = 0;
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    if (context_.steering.between_batches(steps_done_, this)) {
      opened_.model->zero_grad();
      return true;
    }
    const std::uint64_t from = monotonic_us();
    const models::StepKey key = {context_.spec.seed(), steps_done_, static_cast<std::uint32_t>(i)};
    sum += opened_.model
               ->forward_backward(view(batches_[i]), 1.0f / static_cast<float>(labels), task_.dropout(), key)
               .sum;
    work_us += monotonic_us() - from;
  }
  const float loss = static_cast<float>(sum / static_cast<double>(labels));
  if (!std::isfinite(loss)) diverged("the loss", steps_done_ + 1);

  const std::uint64_t from = monotonic_us();
  const float rate = learning_rate(task_.optimizer(), steps_done_, total_steps_);
  const float norm = optimizer_->step(steps_done_ + 1, rate);
  if (!std::isfinite(norm)) diverged("the gradient", steps_done_ + 1);
  work_us += monotonic_us() - from;

  steps_done_ += 1;
  cursor_ += rows * batches_.size();
  tokens_seen_ += labels;
  active_us_ += work_us;
  last_loss_ = loss;
  v1::Event event;
  v1::Step& done = *event.mutable_step();
  done.set_step(steps_done_);
  done.set_loss(loss);
  done.set_grad_norm(norm);
  done.set_learning_rate(rate);
  done.set_tokens(static_cast<std::uint32_t>(labels));
  done.set_tokens_seen(tokens_seen_);
  done.set_duration_us(static_cast<std::uint32_t>(std::min<std::uint64_t>(work_us, 0xffffffffu)));
  done.set_rss_bytes(rss_bytes());
  done.set_peak_rss_bytes(peak_rss_bytes());
  done.set_cpu_us(process_cpu_us() - cpu_from);
  context_.events.emit(std::move(event));
  return false;
}

void Trainer::after_step() {
  if (evaluation_due() && planned_evaluation()) return;
  if (steps_done_ == total_steps_ || ends_early() || task_.checkpoint_every() == 0) return;
  if (steps_done_ % task_.checkpoint_every() == 0) save_checkpoint();
}

// The one after the last step is in finish().
bool Trainer::evaluation_due() const {
  return steps_done_ != 0 && steps_done_ != total_steps_ && task_.eval_every() != 0 &&
         steps_done_ % task_.eval_every() == 0;
}

std::optional<v1::Evaluation> Trainer::evaluate() {
  const std::uint64_t from = monotonic_us();
  const std::uint64_t paused = context_.steering.paused_us();
  const std::optional<SplitLoss> result = evaluate_split(
      *opened_.model, data_->validation(), task_.batch_size(), task_.eval_max_batches(),
      [&](std::uint64_t, std::uint64_t) { return context_.steering.during_evaluation(steps_done_); });
  if (!result) return std::nullopt;
  const std::uint64_t duration = monotonic_us() - from - (context_.steering.paused_us() - paused);
  return evaluation_event(steps_done_, *result, duration);
}

bool Trainer::planned_evaluation() {
  if (data_->validation().rows() == 0 || (evaluated_ && evaluated_->first == steps_done_)) return false;
  std::optional<v1::Evaluation> evaluation = evaluate();
  if (!evaluation) return true;
  evaluated_ = {steps_done_, evaluation->loss()};
  evaluation->set_best(best_.take(steps_done_, evaluation->loss()));
  // Kept before it is told of: an event that calls a step the best is never ahead of its weights.
  if (evaluation->best() && keeps_best()) best_weights_.put(steps_done_, manifest(), weights());
  v1::Event event;
  *event.mutable_evaluation() = std::move(*evaluation);
  context_.events.emit(std::move(event));
  return false;
}

v1::CheckpointManifest Trainer::manifest() const {
  v1::CheckpointManifest manifest;
  manifest.set_run_id(context_.folder.id());
  manifest.set_step(steps_done_);
  manifest.set_tokens_seen(tokens_seen_);
  manifest.set_data_cursor(cursor_);
  manifest.set_active_ms(active_us_ / 1000);
  manifest.set_loss(last_loss_);
  if (evaluated_ && evaluated_->first == steps_done_) {
    manifest.set_has_validation_loss(true);
    manifest.set_validation_loss(evaluated_->second);
  }
  best_.describe(manifest);
  if (!task_.full()) *manifest.mutable_lora_targets() = task_.lora().targets();
  for (v1::AppliedControl& control : context_.steering.applied_until(steps_done_)) {
    *manifest.add_controls() = std::move(control);
  }
  return manifest;
}

std::vector<SegmentToWrite> Trainer::weights() const {
  std::vector<SegmentToWrite> segments;
  for (const models::Parameter& parameter : opened_.model->parameters()) {
    if (segments.empty() || segments.back().name != parameter.segment)
      segments.push_back({parameter.segment, {}});
    segments.back().tensors.push_back({parameter.name, parameter.shape, parameter.value, v1::DTYPE_F32});
  }
  return segments;
}

std::vector<SegmentToWrite> Trainer::moments() const {
  std::vector<SegmentToWrite> segments;
  for (const std::string& name : optimizer_->segments())
    segments.push_back({name + ".adam", optimizer_->state(name)});
  return segments;
}

void Trainer::save_checkpoint() {
  if (saved_ && *saved_ == steps_done_) return;
  const std::uint64_t from = monotonic_us();
  context_.events.sync();  // the record is never behind a checkpoint
  v1::CheckpointManifest contents = manifest();
  const std::string& all = context_.folder.checkpoints();
  const std::uint64_t bytes =
      write_checkpoint(checkpoint_folder(all, steps_done_), contents, weights(), moments());
  saved_ = steps_done_;
  prune_checkpoints(all, task_.keep_checkpoints());
  best_weights_.keep_only(best_.step);
  v1::Event event;
  v1::CheckpointSaved& saved = *event.mutable_checkpoint_saved();
  saved.set_step(steps_done_);
  saved.set_bytes(bytes);
  saved.set_duration_ms(static_cast<std::uint32_t>((monotonic_us() - from) / 1000));
  saved.set_best(best_.step == steps_done_);
  context_.events.emit(std::move(event));
  context_.events.sync();
}

void Trainer::show_sample() {
  if (task_.sample().prompts().empty()) return;
  Tokenizer tokenizer = open_tokenizer(context_);
  std::optional<v1::Sample> sample = generate(
      *opened_.model, tokenizer, task_.sample(),
      [&](std::uint64_t, std::uint64_t) { return context_.steering.during_evaluation(steps_done_); });
  if (!sample) return;
  v1::Event event;
  *event.mutable_sample() = std::move(*sample);
  event.mutable_sample()->set_step(steps_done_);
  context_.events.emit(std::move(event));
}

void Trainer::write_result(v1::Finished& finished) {
  const bool last = !keeps_best() || !best_.step || *best_.step == steps_done_;
  if (last || !write_best_result(finished)) {
    v1::CheckpointManifest contents = manifest();
    write_checkpoint(context_.folder.result(), contents, weights(), {});
    finished.set_result_step(steps_done_);
  }
  finished.set_result_manifest_sha256(to_bytes(sha256_file(context_.folder.result() + "/manifest.pb")));
}

bool Trainer::write_best_result(v1::Finished& finished) {
  LoadedCheckpoint best;
  try {
    best = best_weights_.open(*best_.step);
  } catch (const Failure& failure) {
    if (failure.code() != "checkpoint.broken") throw;
    context_.warn("best.broken", "the best weights, of step " + std::to_string(*best_.step) +
                                     ", can't be used, the result has the last ones: " + failure.what());
    return false;
  }
  const std::unique_ptr<store::Segments> segments =
      store::Segments::open(best.weights, store::Residency::kMapped);
  std::vector<store::Pin> pins;
  std::vector<SegmentToWrite> copies;
  for (std::size_t i = 0; i < segments->count(); ++i) {
    const store::Pin& pin = pins.emplace_back(segments->pin(i));
    SegmentToWrite& copy = copies.emplace_back(pin.segment_name(), std::vector<store::NamedTensor>());
    for (const store::TensorView& tensor : pin.tensors())
      copy.tensors.push_back({tensor.name, tensor.shape, tensor.data, tensor.dtype});
  }
  best.manifest.clear_weights();
  best.manifest.clear_files();
  write_checkpoint(context_.folder.result(), best.manifest, copies, {});
  finished.set_result_step(*best_.step);
  return true;
}

v1::Finished Trainer::finish(bool stopped) {
  if (!stopped) {
    stopped = planned_evaluation();
    if (!stopped) show_sample();
  }
  if (stopped) save_checkpoint();
  v1::Finished finished;
  finished.set_outcome(stopped ? v1::Finished::OUTCOME_STOPPED : v1::Finished::OUTCOME_COMPLETED);
  finished.set_early(!stopped && steps_done_ < total_steps_);
  finished.set_step(steps_done_);
  finished.set_final_loss(last_loss_);
  finished.set_active_ms(active_us_ / 1000);
  write_result(finished);
  return finished;
}

std::string Trainer::set_threads(std::uint32_t threads) {
  return train::set_threads(*opened_.pool, threads);
}

std::string Trainer::checkpoint_now() {
  if (saved_ && *saved_ == steps_done_) return "step " + std::to_string(steps_done_) + " is saved already";
  save_checkpoint();
  return "";
}

std::string Trainer::evaluate_now() {
  if (data_->validation().rows() == 0) throw Failure("control.refused", "the run has no validation data");
  if (evaluated_ && evaluated_->first == steps_done_) {
    return "step " + std::to_string(steps_done_) + " is evaluated already";
  }
  std::optional<v1::Evaluation> evaluation = evaluate();
  if (!evaluation) return "given up: the run is stopping";
  v1::Event event;
  *event.mutable_evaluation() = std::move(*evaluation);
  context_.events.emit(std::move(event));
  return "";
}

}  // namespace mft::train
