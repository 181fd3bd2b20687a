#include "models/lookup_gradient.h"

#include <algorithm>

namespace mft::models {

using kernels::i64;

LookupGradient::LookupGradient(i64 vocab, i64 channels)
    : channels_(channels),
      touched_(static_cast<size_t>(vocab)),
      memory_(static_cast<uint64_t>(vocab * channels) * sizeof(float), "the gradient of the embedding", /*sparse=*/true) {}

void LookupGradient::touch(std::span<const int32_t> tokens) {
  for (const int32_t token : tokens) touched_[static_cast<size_t>(token)] = true;
}

void LookupGradient::add_to(float* to) {
  bool any = false;
  for (size_t row = 0; row < touched_.size(); ++row) {
    if (!touched_[row]) continue;
    any = true;
    const i64 start = static_cast<i64>(row) * channels_;
    for (i64 c = start; c < start + channels_; ++c) to[c] += table()[c];
  }
  if (any) clear();
}

void LookupGradient::clear() {
  std::fill(touched_.begin(), touched_.end(), false);
  memory_.discard();
}

}  // namespace mft::models
