// The loss of a model over rows of tokens: perplexity is its exponential.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "models/model.h"
#include "text/dataset.h"
#include "train/context.h"

namespace mft::train {

// Mean negative log-likelihood a label, nats, over the first `max_batches` batches of `split` in the order of
// the text (0: all). `before_batch(done, total)` is called with batches and may give up by returning true:
// then absent.
struct SplitLoss {
  double loss = 0;
  std::uint64_t labels = 0;
};
std::optional<SplitLoss> evaluate_split(
    models::Model& model, const Split& split, std::uint32_t batch_size, std::uint32_t max_batches,
    const std::function<bool(std::uint64_t done, std::uint64_t total)>& before_batch);

v1::Evaluation evaluation_event(std::uint32_t step, const SplitLoss& result, std::uint64_t duration_us);

// RunSpec.evaluate, of a whole file (data.validation, or else data.train): perplexity, or multiple choice.
v1::Finished run_evaluate(RunContext& context);

}  // namespace mft::train
