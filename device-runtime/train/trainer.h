// The training loop: accumulation, clipping, schedule, evaluation, samples, checkpoints, and where to go on
// after a kill.
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
  // Trains to the end or to a stop, and writes the result.
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
  bool evaluate(std::uint32_t max_batches);  // true: given up
  void save_checkpoint();
  void show_sample();
  v1::Finished finish(bool stopped);
  std::string write_result();
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
  std::optional<float> best_loss_;  // of all evaluations
  std::optional<std::pair<std::uint32_t, float>>
      evaluated_;  // the newest evaluation of the whole setting: step, loss
  std::optional<std::pair<std::uint32_t, float>> best_checkpoint_;
  std::optional<std::uint32_t> saved_;  // step of the newest checkpoint that this attempt knows whole
};

}  // namespace mft::train
