// Head and loss with a whole row of logits at hand: the oracle of kernels/cross_entropy.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cross_entropy.h"

namespace mft::kernels::reference {

// d_hidden is overwritten, dW added to; both null: forward only. likeliest [N] or null.
template <class T>
CrossEntropyResult cross_entropy(const CrossEntropyShape& s, const T* hidden, const T* W,
                                 const std::int32_t* targets, double gradient_scale, T* losses, T* d_hidden,
                                 T* dW, std::int32_t* likeliest = nullptr) {
  CrossEntropyResult result;
  std::vector<double> logits(static_cast<std::size_t>(s.vocab)), dh(static_cast<std::size_t>(s.channels));
  for (i64 n = 0; n < s.rows; ++n) {
    const T* h = hidden + n * s.channels;
    if (losses != nullptr) losses[n] = 0;
    if (likeliest != nullptr) likeliest[n] = -1;
    if (d_hidden != nullptr) std::fill_n(d_hidden + n * s.channels, s.channels, T{0});
    if (targets[n] == kIgnoredTarget) continue;
    double largest = -INFINITY;
    for (i64 v = 0; v < s.vocab; ++v) {
      double sum = 0;
      for (i64 c = 0; c < s.channels; ++c) sum += static_cast<double>(h[c]) * W[v * s.channels + c];
      const auto cap = static_cast<double>(s.softcap);
      if (cap > 0) sum = cap * std::tanh(sum / cap);
      logits[static_cast<std::size_t>(v)] = sum;
      largest = std::max(largest, sum);
    }
    if (likeliest != nullptr) {
      likeliest[n] = static_cast<std::int32_t>(std::find(logits.begin(), logits.end(), largest) - logits.begin());
    }
    double total = 0;
    for (double x : logits) total += std::exp(x - largest);
    const double lse = largest + std::log(total);
    const double loss = lse - logits[static_cast<std::size_t>(targets[n])];
    if (losses != nullptr) losses[n] = static_cast<T>(loss);
    result.loss_sum += loss;
    result.tokens += 1;
    if (d_hidden == nullptr && dW == nullptr) continue;
    std::fill(dh.begin(), dh.end(), 0.0);
    for (i64 v = 0; v < s.vocab; ++v) {
      double d = (std::exp(logits[static_cast<std::size_t>(v)] - lse) - (v == targets[n] ? 1.0 : 0.0)) *
                 gradient_scale;
      if (s.softcap > 0) d *= 1 - std::pow(logits[static_cast<std::size_t>(v)] / static_cast<double>(s.softcap), 2);
      for (i64 c = 0; c < s.channels; ++c) {
        dh[static_cast<std::size_t>(c)] += d * W[v * s.channels + c];
        if (dW != nullptr) dW[v * s.channels + c] += static_cast<T>(d * h[c]);
      }
    }
    if (d_hidden == nullptr) continue;
    for (i64 c = 0; c < s.channels; ++c)
      d_hidden[n * s.channels + c] = static_cast<T>(dh[static_cast<std::size_t>(c)]);
  }
  return result;
}

}  // namespace mft::kernels::reference
