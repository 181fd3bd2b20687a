// Which token comes next: greedy, or drawn with temperature, top-k and top-p (in that order, as transformers'
// logits processors). Own exponential and own random numbers: the same tokens on every machine.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mft::train {

class Sampler {
 public:
  // temperature 0: greedy. top_k 0: off. top_p 0 or 1: off.
  Sampler(float temperature, std::uint32_t top_k, float top_p, std::uint64_t seed);

  // logits: [V]. Ties go to the lower id. Failure train.diverged when none is finite.
  std::int32_t pick(std::span<const float> logits);

 private:
  double uniform();  // in [0, 1)

  double temperature_;
  std::size_t top_k_;
  double top_p_;
  std::uint64_t state_;
  std::vector<std::int32_t> order_;
  std::vector<double> weights_;
};

}  // namespace mft::train
