// The loss of a model over a whole text, in windows that may overlap.
#pragma once

#include <cstdint>
#include <functional>

#include "models/model.h"
#include "text/token_file.h"
#include "train/evaluate.h"
#include "train/windows.h"

namespace mft::train {

// Mean negative log-likelihood a token, nats, `batch_size` windows at a time. before_batch(done, total) is
// called with windows. Failure data.too-short for a text of fewer than two tokens, data.token-range.
SplitLoss evaluate_windows(models::Model& model, const TokenFile& tokens, const Windows& windows,
                           std::uint32_t batch_size,
                           const std::function<void(std::uint64_t done, std::uint64_t total)>& before_batch);

}  // namespace mft::train
