// Dropout whose mask is a pure function of where it is: Philox4x32-10 (Salmon et al., SC'11) keyed by the
// seed, with a counter made of step, micro-batch, layer, site and element. Forward, backward and a
// recomputation see the same mask, and nothing depends on the order of evaluation.
#pragma once

#include "base/threads.h"
#include "kernels/types.h"

namespace mft::kernels {

// Where a mask is drawn. Element indices are below 2^34, layers below 2^24, sites below 2^8.
struct DropoutSite {
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  std::uint32_t micro_batch = 0;
  std::uint32_t layer = 0;
  std::uint32_t site = 0;  // which dropout of the layer: embedding, attention, residual, MLP, LoRA ...
  float probability = 0;   // of being dropped; 0: no dropout, nothing is drawn
};

// y[i] = keep(i) ? x[i] / (1 - p) : 0, i < n. The backward is the same function applied to dy. y may be x.
void dropout(ThreadPool& pool, i64 n, const float* x, float* y, const DropoutSite& site);

// Four random words for elements 4*block .. 4*block+3 of a site (also the source of other reproducible
// randomness).
void philox(const DropoutSite& site, std::uint64_t block, std::uint32_t out[4]);

}  // namespace mft::kernels
