// Which token comes next: greedy, or drawn, with repetition penalty, temperature, top-k and top-p in that order, as
// transformers' logits processors define them. Own exponential and own random numbers: the same tokens on every machine.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mft/v1/run.pb.h"

namespace mft::train {

struct SamplingOptions {
  float temperature = 0;         // 0: greedy
  std::uint32_t top_k = 0;       // 0: off; those that tie with the k-th stay, too
  float top_p = 0;               // 0 or 1: off; of those that tie at the border the lower ids stay
  float repetition_penalty = 0;  // 0 or 1: off; on every token that was seen
  std::uint64_t seed = 0;

  static SamplingOptions of(const v1::GenerateTask& task, std::uint64_t seed);  // not the task's own seed
};

class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options);

  // Tokens of the text so far: the prompt, and each one that was picked.
  void see(std::span<const std::int32_t> tokens);

  // logits: [V]. Ties go to the lower id. Failure train.diverged when none is finite.
  std::int32_t pick(std::span<const float> logits);

  // A token that may be drawn, and how likely: weights are relative to each other.
  struct Candidate {
    std::int32_t id = 0;
    double weight = 0;
  };
  // What the processors leave of logits [V]; temperature must not be 0. Valid until the next call. Failure as pick's.
  std::span<const Candidate> candidates(std::span<const float> logits);

 private:
  struct Score {
    std::int32_t id;
    float logit;
    bool operator<(const Score& other) const {  // stands before it
      return logit > other.logit || (logit == other.logit && id < other.id);
    }
  };
  void score(std::span<const float> logits);  // fills scores_
  void keep_top_k();
  void keep_top_p();
  double uniform();  // in [0, 1)

  SamplingOptions options_;
  std::uint64_t state_;
  std::vector<bool> seen_;
  std::vector<Score> scores_;
  std::vector<Candidate> candidates_;
};

}  // namespace mft::train
