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

void softcap(i64 n, float cap, float* logits) {
  const Lanes inner = set(1.0f / cap), outer = set(cap);
  for_lanes(n, [&](i64 i, auto count) {
    store(mul(tanh(mul(load(logits + i, count), inner)), outer), logits + i, count);
  });
}

void softmax_gradient(i64 n, float* logits, float lse, float factor, float cap) {
  const Lanes offset = set(lse), scale = set(factor);
  if (cap > 0.0f) {
    const Lanes inverse = set(1.0f / cap);
    for_lanes(n, [&](i64 i, auto count) {
      const Lanes logit = load(logits + i, count), ratio = mul(logit, inverse);
      const Lanes slope = mul(sub(set(1.0f), mul(ratio, ratio)), scale);
      store(mul(exp(sub(logit, offset)), slope), logits + i, count);
    });
    return;
  }
  for_lanes(n, [&](i64 i, auto count) {
    store(mul(exp(sub(load(logits + i, count), offset)), scale), logits + i, count);
  });
}

}  // namespace mft::kernels::MFT_ISA
