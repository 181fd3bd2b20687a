// Softmax over the vocabulary, a stretch of logits at a time.
#include "kernels/simd/rows.h"

namespace mft::kernels::MFT_ISA {

void logsumexp(i64 n, const float* logits, float* largest, float* total) {
  Lanes top = set(-__builtin_inff());
  for_lanes(n, [&](i64 i, auto count) { top = max(top, load_or(logits + i, count, -__builtin_inff())); });
  const float here = maximum(top);
  const float bound = *largest > here ? *largest : here;
  const Lanes offset = set(bound);
  Lanes part = set(0.0f);
  for_lanes(n, [&](i64 i, auto count) {
    part = add(part, exp(sub(load_or(logits + i, count, -__builtin_inff()), offset)));
  });
  alignas(64) float correction[kLanes];
  store(exp(set(*largest - bound)), correction);
  *total = *total * correction[0] + sum(part);
  *largest = bound;
}

void softmax_gradient(i64 n, float* logits, float lse, float factor) {
  const Lanes offset = set(lse), scale = set(factor);
  for_lanes(n, [&](i64 i, auto count) {
    store(mul(exp(sub(load(logits + i, count), offset)), scale), logits + i, count);
  });
}

}  // namespace mft::kernels::MFT_ISA
