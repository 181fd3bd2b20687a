#include "train/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/math.h"

namespace mft::train {

Sampler::Sampler(float temperature, std::uint32_t top_k, float top_p, std::uint64_t seed)
    : temperature_(temperature), top_k_(top_k), top_p_(top_p > 0.0f ? top_p : 1.0f), state_(seed) {}

// SplitMix64 (Steele, Lea and Flood, 2014), its upper 53 bits.
double Sampler::uniform() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
}

std::int32_t Sampler::pick(std::span<const float> logits) {
  order_.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isfinite(logits[i])) order_.push_back(static_cast<std::int32_t>(i));
  }
  if (order_.empty()) {
    throw Failure("train.diverged", "the model's output is not a number",
                  "Train with a lower learning rate.");
  }
  const auto logit = [&](std::int32_t id) { return logits[static_cast<std::size_t>(id)]; };
  const auto before = [&](std::int32_t a, std::int32_t b) {
    return logit(a) > logit(b) || (logit(a) == logit(b) && a < b);
  };
  if (temperature_ == 0) return *std::min_element(order_.begin(), order_.end(), before);

  if (top_k_ != 0 && top_k_ < order_.size()) {
    std::nth_element(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(top_k_) - 1, order_.end(),
                     before);
    order_.resize(top_k_);
  }
  std::sort(order_.begin(), order_.end(), before);
  const double highest = logit(order_.front());
  double total = 0;
  weights_.clear();
  for (std::int32_t id : order_) {
    weights_.push_back(kernels::math::exp((static_cast<double>(logit(id)) - highest) / temperature_));
    total += weights_.back();
  }
  // The smallest set of the likeliest tokens whose probabilities reach top_p.
  if (top_p_ < 1.0) {
    double reached = 0;
    std::size_t kept = 0;
    while (kept < weights_.size() && reached < top_p_ * total) reached += weights_[kept++];
    kept = std::max<std::size_t>(kept, 1);
    order_.resize(kept);
    total = reached;
  }
  double left = uniform() * total;
  for (std::size_t i = 0; i < order_.size(); ++i) {
    left -= weights_[i];
    if (left < 0) return order_[i];
  }
  return order_.back();
}

}  // namespace mft::train
