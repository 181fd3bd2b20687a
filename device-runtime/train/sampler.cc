#include "train/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/math.h"

namespace mft::train {
namespace {

double total_weight(std::span<const Sampler::Candidate> candidates) {
  double total = 0;
  for (const Sampler::Candidate& candidate : candidates) total += candidate.weight;
  return total;
}

}  // namespace

SamplingOptions SamplingOptions::of(const v1::GenerateTask& task, std::uint64_t seed) {
  return {task.temperature(), task.top_k(), task.top_p(), task.repetition_penalty(), seed};
}

Sampler::Sampler(const SamplingOptions& options) : options_(options), state_(options.seed) {
  if (options_.top_p == 0.0f) options_.top_p = 1.0f;
  if (options_.repetition_penalty == 0.0f) options_.repetition_penalty = 1.0f;
}

void Sampler::see(std::span<const std::int32_t> tokens) {
  if (options_.repetition_penalty == 1.0f) return;
  for (const std::int32_t token : tokens) {
    const auto id = static_cast<std::size_t>(token);
    if (id >= seen_.size()) seen_.resize(id + 1);
    seen_[id] = true;
  }
}

// SplitMix64 (Steele, Lea and Flood, 2014), its upper 53 bits.
double Sampler::uniform() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
}

// RepetitionPenaltyLogitsProcessor: what makes a score smaller depends on its sign.
void Sampler::score(std::span<const float> logits) {
  scores_.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    float logit = logits[i];
    if (i < seen_.size() && seen_[i]) {
      logit = logit < 0 ? logit * options_.repetition_penalty : logit / options_.repetition_penalty;
    }
    if (std::isfinite(logit)) scores_.push_back({static_cast<std::int32_t>(i), logit});
  }
  if (scores_.empty()) {
    throw Failure("train.diverged", "the model's output is not a number",
                  "Train with a lower learning rate.");
  }
}

// TopKLogitsWarper: what is below the k-th goes. Dividing by the temperature first would change no order.
void Sampler::keep_top_k() {
  const std::size_t k = options_.top_k;
  if (k == 0 || k >= scores_.size()) return;
  const auto kth = scores_.begin() + static_cast<std::ptrdiff_t>(k) - 1;
  std::nth_element(scores_.begin(), kth, scores_.end());
  const float least = kth->logit;
  std::erase_if(scores_, [&](const Score& score) { return score.logit < least; });
  std::sort(scores_.begin(), scores_.end());  // nth_element leaves any order
}

// TopPLogitsWarper: the smallest set of the likeliest tokens whose probabilities reach top_p. Mostly that is a few of
// many: a heap spares sorting a vocabulary for each token.
void Sampler::keep_top_p() {
  if (options_.top_p >= 1.0f) return;
  const auto after = [](const Candidate& a, const Candidate& b) {
    return a.weight < b.weight || (a.weight == b.weight && a.id > b.id);
  };
  const double enough = static_cast<double>(options_.top_p) * total_weight(candidates_);
  double reached = 0;
  auto end = candidates_.end();
  std::make_heap(candidates_.begin(), end, after);
  do {
    std::pop_heap(candidates_.begin(), end, after);
    reached += (--end)->weight;
  } while (end != candidates_.begin() && reached < enough);
  std::reverse(end, candidates_.end());
  candidates_.erase(candidates_.begin(), end);
}

std::span<const Sampler::Candidate> Sampler::candidates(std::span<const float> logits) {
  score(logits);
  keep_top_k();
  const double highest = std::min_element(scores_.begin(), scores_.end())->logit;
  const double temperature = options_.temperature;
  candidates_.clear();
  for (const Score& score : scores_) {
    candidates_.push_back({score.id, kernels::math::exp((score.logit - highest) / temperature)});
  }
  keep_top_p();
  return candidates_;
}

std::int32_t Sampler::pick(std::span<const float> logits) {
  if (options_.temperature == 0) {
    score(logits);
    return std::min_element(scores_.begin(), scores_.end())->id;
  }
  const std::span<const Candidate> left_over = candidates(logits);
  double left = uniform() * total_weight(left_over);
  for (const Candidate& candidate : left_over) {
    left -= candidate.weight;
    if (left < 0) return candidate.id;
  }
  return left_over.back().id;
}

}  // namespace mft::train
