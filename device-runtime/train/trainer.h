// The training loop: accumulation, clipping, schedule, evaluation, samples, checkpoints, when to end early,
// what the result is, and where to go on after a kill.
//
// What a step computes is a function of the specification and the step's number alone: rows by a cursor over
// the shuffled epochs, dropout by (seed, step, micro-batch). So a run that goes on from a checkpoint gives
// the same bits as one that was never disturbed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "text/dataset.h"
#include "text/tokenizer.h"
#include "train/best.h"
#include "train/checkpoint.h"
#include "train/context.h"
#include "train/open_model.h"
#include "train/optimizer.h"

namespace mft::train {

class Trainer : private Steerable {
 public:
  // Finds the newest whole checkpoint, prepares data and model. Failure run.stopped when a stop comes
  // meanwhile.
  explicit Trainer(RunContext& context);
  // Trains to the end, to a stop, or until evaluations no longer get better, and writes the result: the
  // weights of the best evaluation, or the last ones (there was no evaluation, or TrainTask.result_last).
  v1::Finished run();

 private:
  std::string set_threads(std::uint32_t threads) override;
  std::string checkpoint_now() override;
  std::string evaluate_now() override;

  void restore(const LoadedCheckpoint& checkpoint);
  void announce();
  bool train();       // true: stopped
  bool step();        // one optimizer step; true: stopped inside it, nothing changed
  void after_step();  // what is due then: evaluation, checkpoint
  bool evaluation_due() const;
  // Over the same rows each time. Absent: given up, the run is to stop.
  std::optional<v1::Evaluation> evaluate();
  bool planned_evaluation();  // true: given up
  bool ends_early() const { return best_.exhausted(task_.patience()); }
  bool keeps_best() const { return !task_.result_last() && data_->validation().rows() != 0; }
  void save_checkpoint();
  void show_sample();
  v1::Finished finish(bool stopped);
  void write_result(v1::Finished& finished);
  bool write_best_result(v1::Finished& finished);  // false: it is broken
  v1::CheckpointManifest manifest() const;
  std::vector<SegmentToWrite> weights() const;
  std::vector<SegmentToWrite> moments() const;
  void warn_of_disk();

  RunContext& context_;
  const v1::TrainTask& task_;
  std::optional<LoadedCheckpoint> from_;  // only while preparing
  std::unique_ptr<Dataset> data_;
  OpenModel opened_;
  std::unique_ptr<AdamW> optimizer_;
  std::vector<Batch> batches_;  // of one step: its labels are counted before the first is used

  std::uint32_t total_steps_ = 0;
  std::uint32_t steps_done_ = 0;
  std::uint64_t cursor_ = 0;  // rows consumed
  std::uint64_t tokens_seen_ = 0;
  std::uint64_t active_us_ = 0;
  float last_loss_ = 0;
  BestEvaluation best_;
  BestWeights best_weights_;
  // The newest planned evaluation: step, loss.
  std::optional<std::pair<std::uint32_t, float>> evaluated_;
  std::optional<std::uint32_t> saved_;  // step of the newest checkpoint that this attempt knows whole
};

}  // namespace mft::train
