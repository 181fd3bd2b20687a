// The best evaluation of a run: of which step, with which loss, how many evaluations ago; and that step's
// weights, so that a run's result never needs an old checkpoint.
//
// Only the evaluations that the specification plans count, all over the same rows of the validation split:
// they are a function of the specification and the step alone, as the curve is. One that a host asks for is
// shown and changes nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mft/v1/run.pb.h"
#include "train/checkpoint.h"

namespace mft::train {

struct BestEvaluation {
  std::optional<std::uint32_t> step;
  float loss = 0;           // of that step, when there is one
  std::uint32_t since = 0;  // evaluations after it, in a row without a new best

  // The next evaluation. True: it is the best so far. An equal loss is no new best; one that is not a finite
  // number never is.
  bool take(std::uint32_t at, float its_loss);
  // TrainTask.patience is used up; 0: never.
  bool exhausted(std::uint32_t patience) const { return patience != 0 && since >= patience; }

  void restore(const v1::CheckpointManifest& manifest);
  void describe(v1::CheckpointManifest& manifest) const;
};

// runs/<id>/best/<step>/, each as a result would be (train/checkpoint.h), whole or not there. A resume must
// find the best that its checkpoint speaks of, so two may be kept: the newest checkpoint's and the one since.
class BestWeights {
 public:
  BestWeights(std::string folder, std::string run_id);

  // These are the best now.
  void put(std::uint32_t step, v1::CheckpointManifest manifest, const std::vector<SegmentToWrite>& weights);
  // The newest checkpoint speaks of this one: all others go.
  void keep_only(std::optional<std::uint32_t> step);
  // Every hash is verified. Failure checkpoint.broken.
  LoadedCheckpoint open(std::uint32_t step) const;

 private:
  void prune();

  std::string folder_;
  std::string run_id_;
  std::optional<std::uint32_t> newest_;
  std::optional<std::uint32_t> of_checkpoint_;
};

}  // namespace mft::train
