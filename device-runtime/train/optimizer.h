// AdamW and clipping by the global norm, as torch.optim.AdamW and torch.nn.utils.clip_grad_norm_, over a
// model's parameters. The moments are named tensors so that a checkpoint is a list of segments like any
// other.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mft/v1/run.pb.h"
#include "models/model.h"
#include "store/segment_writer.h"
#include "store/segments.h"

namespace mft {
class ThreadPool;
}

namespace mft::train {

class AdamW {
 public:
  // Moments start at zero. The model and the pool outlive the optimizer.
  // Failure optimizer.config-invalid: names the field and its value.
  AdamW(const v1::OptimizerConfig& config, models::Model& model, ThreadPool& pool);
  ~AdamW();

  // One update of model.parameters() from their gradients (finished here: Model::finish_gradients; already
  // scaled by 1 / labels), which are then discarded. Gradients are clipped by min(1, max_grad_norm / (norm +
  // 1e-6)) when max_grad_norm > 0. step: 1-based number of this update, for the bias correction. Returns the
  // global norm before clipping. A norm that is not finite is returned and nothing is changed.
  float step(uint32_t step, float learning_rate);

  // The moments: for each parameter NAME.m and NAME.v (f32, the parameter's shape), in parameter order; those
  // of segment `segment` (Parameter::segment) only, or all when it is empty. Valid while the optimizer lives.
  std::vector<store::NamedTensor> state(const std::string& segment = "") const;
  // Names of the parameters' segments, in order, each once.
  std::vector<std::string> segments() const;
  // Takes the moments found in this segment; each tensor must be one of ours and of our shape.
  // Failure model.tensor-unknown, model.tensor-shape; step() fails with model.tensor-missing if some were
  // loaded, not all.
  void load(const store::Pin& state);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mft::train
