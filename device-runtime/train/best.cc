#include "train/best.h"

#include <cmath>
#include <utility>

#include "base/error.h"

namespace mft::train {

bool BestEvaluation::take(std::uint32_t at, float its_loss) {
  if (std::isfinite(its_loss) && (!step || its_loss < loss)) {
    step = at;
    loss = its_loss;
    since = 0;
    return true;
  }
  since += 1;
  return false;
}

void BestEvaluation::restore(const v1::CheckpointManifest& manifest) {
  since = manifest.evaluations_since_best();
  step.reset();
  if (!manifest.has_best_validation_loss()) return;
  step = manifest.best_step();
  loss = manifest.best_validation_loss();
}

void BestEvaluation::describe(v1::CheckpointManifest& manifest) const {
  manifest.set_evaluations_since_best(since);
  if (!step) return;
  manifest.set_best_step(*step);
  manifest.set_best_validation_loss(loss);
}

BestWeights::BestWeights(std::string folder, std::string run_id)
    : folder_(std::move(folder)), run_id_(std::move(run_id)) {}

void BestWeights::put(std::uint32_t step, v1::CheckpointManifest manifest,
                      const std::vector<SegmentToWrite>& weights) {
  write_checkpoint(checkpoint_folder(folder_, step), manifest, weights, {});
  newest_ = step;
  prune();
}

void BestWeights::keep_only(std::optional<std::uint32_t> step) {
  newest_ = of_checkpoint_ = step;
  prune();
}

void BestWeights::prune() {
  std::set<std::uint32_t> kept;
  if (newest_) kept.insert(*newest_);
  if (of_checkpoint_) kept.insert(*of_checkpoint_);
  remove_checkpoints_but(folder_, kept);
}

LoadedCheckpoint BestWeights::open(std::uint32_t step) const {
  LoadedCheckpoint best = read_checkpoint(checkpoint_folder(folder_, step), run_id_);
  if (best.manifest.step() != step) {
    throw Failure("checkpoint.broken",
                  best.folder + ": it is of step " + std::to_string(best.manifest.step()));
  }
  return best;
}

}  // namespace mft::train
