// Attention with all scores at hand: the oracle of kernels/attention.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/attention.h"
#include "kernels/reference/dropout.h"

namespace mft::kernels::reference {

// One head of one sequence: probabilities of query t over keys [first, t], before dropout, and their logsumexp.
template <class T>
double attention_row(const AttentionShape& s, const T* q, const T* keys, i64 ld, i64 t, i64 first,
                     std::vector<double>& p) {
  double largest = -INFINITY;
  for (i64 j = first; j <= t; ++j) {
    double score = 0;
    for (i64 d = 0; d < s.head_dim; ++d) score += static_cast<double>(q[d]) * keys[j * ld + d];
    score *= static_cast<double>(s.scale);
    const auto cap = static_cast<double>(s.softcap);
    p[static_cast<std::size_t>(j)] = cap > 0 ? cap * std::tanh(score / cap) : score;
    largest = std::max(largest, p[static_cast<std::size_t>(j)]);
  }
  double sum = 0;
  for (i64 j = first; j <= t; ++j) sum += std::exp(p[static_cast<std::size_t>(j)] - largest);
  const double lse = largest + std::log(sum);
  for (i64 j = first; j <= t; ++j) {
    double& x = p[static_cast<std::size_t>(j)];
    x = std::exp(x - lse);
  }
  return lse;
}

inline i64 first_key(const AttentionShape& s, i64 t) {
  return s.window > 0 ? std::max<i64>(0, t - s.window + 1) : 0;
}

// The element index of probability (sequence, h, t, j) for dropout: sequence by sequence, each [H, T, T] with
// rows padded to a multiple of 16.
inline i64 probability_index(const AttentionShape& s, const Sequences& sequences, i64 sequence, i64 h, i64 t,
                             i64 j) {
  const auto padded = [](i64 time) { return (time + 15) / 16 * 16; };
  i64 before = 0;
  for (i64 i = 0; i < sequence; ++i) {
    before += s.heads * sequences.length(i) * padded(sequences.length(i));
  }
  const i64 time = sequences.length(sequence);
  return before + (h * time + t) * padded(time) + j;
}

template <class T>
void attention_forward(const AttentionShape& s, const Sequences& sequences, const T* qkv, i64 ld_qkv, T* out,
                       i64 ld_out, T* logsumexp, const DropoutSite& dropout) {
  const i64 D = s.head_dim, group = s.heads / s.kv_heads;
  for (i64 b = 0; b < sequences.count; ++b) {
    const i64 start = sequences.starts[b], time = sequences.length(b);
    std::vector<double> p(static_cast<std::size_t>(time));
    for (i64 h = 0; h < s.heads; ++h) {
      const T* base = qkv + start * ld_qkv;
      const T* keys = base + (s.heads + h / group) * D;
      const T* values = base + (s.heads + s.kv_heads + h / group) * D;
      for (i64 t = 0; t < time; ++t) {
        const i64 first = first_key(s, t);
        const double lse = attention_row(s, base + t * ld_qkv + h * D, keys, ld_qkv, t, first, p);
        logsumexp[start * s.heads + h * time + t] = static_cast<T>(lse);
        for (i64 d = 0; d < D; ++d) {
          double sum = 0;
          for (i64 j = first; j <= t; ++j) {
            sum += p[static_cast<std::size_t>(j)] * keep_factor(dropout, probability_index(s, sequences, b, h, t, j)) *
                   static_cast<double>(values[j * ld_qkv + d]);
          }
          out[(start + t) * ld_out + h * D + d] = static_cast<T>(sum);
        }
      }
    }
  }
}

template <class T>
void attention_backward(const AttentionShape& s, const Sequences& sequences, const T* qkv, i64 ld_qkv,
                        const T* d_out, i64 ld_d_out, T* d_qkv, i64 ld_d_qkv, const DropoutSite& dropout) {
  const i64 D = s.head_dim, group = s.heads / s.kv_heads, width = (s.heads + 2 * s.kv_heads) * D;
  std::vector<double> sums(static_cast<std::size_t>(sequences.tokens() * width));
  const auto at = [&](i64 row, i64 column) -> double& {
    return sums[static_cast<std::size_t>(row * width + column)];
  };
  for (i64 b = 0; b < sequences.count; ++b) {
    const i64 start = sequences.starts[b], time = sequences.length(b);
    std::vector<double> p(static_cast<std::size_t>(time)), dp(p);
    for (i64 h = 0; h < s.heads; ++h) {
      const T* base = qkv + start * ld_qkv;
      const i64 kc = (s.heads + h / group) * D, vc = (s.heads + s.kv_heads + h / group) * D;
      for (i64 t = 0; t < time; ++t) {
        const i64 first = first_key(s, t);
        const T* q = base + t * ld_qkv + h * D;
        const T* dy = d_out + (start + t) * ld_d_out + h * D;
        const double lse = attention_row(s, q, base + kc, ld_qkv, t, first, p);
        double mean = 0;
        for (i64 j = first; j <= t; ++j) {
          const auto i = static_cast<std::size_t>(j);
          const double keep = keep_factor(dropout, probability_index(s, sequences, b, h, t, j));
          double sum = 0;
          for (i64 d = 0; d < D; ++d) {
            sum += static_cast<double>(dy[d]) * static_cast<double>(base[j * ld_qkv + vc + d]);
            at(start + j, vc + d) += p[i] * keep * static_cast<double>(dy[d]);
          }
          dp[i] = sum * keep;
          mean += p[i] * dp[i];
        }
        for (i64 j = first; j <= t; ++j) {
          const auto i = static_cast<std::size_t>(j);
          if (p[i] == 0) continue;
          double ds = p[i] * (dp[i] - mean) * static_cast<double>(s.scale);
          if (s.softcap > 0) ds *= 1 - std::pow((std::log(p[i]) + lse) / static_cast<double>(s.softcap), 2);
          for (i64 d = 0; d < D; ++d) {
            at(start + t, h * D + d) += ds * static_cast<double>(base[j * ld_qkv + kc + d]);
            at(start + j, kc + d) += ds * static_cast<double>(q[d]);
          }
        }
      }
    }
  }
  for (i64 row = 0; row < sequences.tokens(); ++row) {
    for (i64 c = 0; c < width; ++c) d_qkv[row * ld_d_qkv + c] = static_cast<T>(at(row, c));
  }
}

}  // namespace mft::kernels::reference
