#include "train/perplexity.h"

#include <algorithm>

#include "base/error.h"
#include "text/dataset.h"
#include "train/data.h"

namespace mft::train {
namespace {

// Windows first .. first + count.
void fill(const TokenFile& tokens, const Windows& windows, std::uint64_t first, std::uint64_t count,
          Batch& batch) {
  batch = {};
  batch.starts = {0};
  for (std::uint64_t i = first; i < first + count; ++i) {
    const Window window = windows.at(i);
    for (std::uint32_t t = 0; t < window.length; ++t) {
      batch.tokens.push_back(static_cast<std::int32_t>(tokens.at(window.first + t)));
      const bool counts = t >= window.known;
      const auto next = static_cast<std::int32_t>(tokens.at(window.first + t + 1));
      batch.targets.push_back(counts ? next : kNoTarget);
      batch.labels += counts;
    }
    batch.starts.push_back(static_cast<std::uint32_t>(batch.tokens.size()));
  }
}

}  // namespace

SplitLoss evaluate_windows(models::Model& model, const TokenFile& tokens, const Windows& windows,
                           std::uint32_t batch_size,
                           const std::function<void(std::uint64_t, std::uint64_t)>& before_batch) {
  const std::uint64_t total = windows.count();
  if (total == 0) throw Failure("data.too-short", "the text has no token to predict", "Give a longer text.");
  models::LossSum sum;
  Batch batch;
  for (std::uint64_t done = 0; done < total; done += batch_size) {
    before_batch(done, total);
    fill(tokens, windows, done, std::min<std::uint64_t>(batch_size, total - done), batch);
    const models::LossSum part = model.evaluate(view(batch));
    sum.sum += part.sum;
    sum.labels += part.labels;
  }
  return SplitLoss{sum.sum / static_cast<double>(sum.labels), sum.labels};
}

}  // namespace mft::train
