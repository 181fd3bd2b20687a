// Norm and rotation of q and k heads, one number after the other.
#pragma once

#include <cmath>
#include <vector>

#include "kernels/query_key.h"

namespace mft::kernels::reference {

template <class T>
struct QueryKey {
  QueryKeyShape s;
  const T *q_weight, *k_weight;  // null: no norm
  bool plus_one;
  double eps;
  QueryKeyRotation rotation;

  double weight(i64 h, i64 d) const {
    return static_cast<double>((h < s.heads ? q_weight : k_weight)[d]) + (plus_one ? 1 : 0);
  }
  double rstd(const T* x) const {
    double squares = 0;
    for (i64 d = 0; d < s.head_dim; ++d) squares += static_cast<double>(x[d]) * x[d];
    return 1 / std::sqrt(squares / static_cast<double>(s.head_dim) + eps);
  }
  void turn(i64 n, double direction, T* x) const {
    if (rotation.table == nullptr) return;
    const i64 half = s.head_dim / 2;
    const float* const angles = rotation.table + rotation.position[n] * s.head_dim;
    for (i64 i = 0; i < half; ++i) {
      const double cos = angles[i], sin = direction * static_cast<double>(angles[half + i]);
      const double a = x[i], b = x[half + i];
      x[i] = static_cast<T>(a * cos - b * sin);
      x[half + i] = static_cast<T>(b * cos + a * sin);
    }
  }

  void forward(const T* qkv, T* out) const {
    const i64 D = s.head_dim;
    for (i64 i = 0; i < s.rows * s.width(); ++i) out[i] = qkv[i];
    for (i64 n = 0; n < s.rows; ++n) {
      for (i64 h = 0; h < s.heads + s.kv_heads; ++h) {
        T* const x = out + n * s.width() + h * D;
        const double factor = q_weight != nullptr ? rstd(x) : 1;
        for (i64 d = 0; d < D; ++d)
          x[d] = static_cast<T>(x[d] * factor * (q_weight != nullptr ? weight(h, d) : 1));
        turn(n, 1, x);
      }
    }
  }

  void backward(const T* qkv, T* d_qkv, T* d_q_weight, T* d_k_weight) const {
    const i64 D = s.head_dim;
    for (i64 n = 0; n < s.rows; ++n) {
      for (i64 h = 0; h < s.heads + s.kv_heads; ++h) {
        const T* const x = qkv + n * s.width() + h * D;
        T* const d = d_qkv + n * s.width() + h * D;
        turn(n, -1, d);
        if (q_weight == nullptr) continue;
        const double factor = rstd(x);
        double dot = 0;
        for (i64 i = 0; i < D; ++i) {
          (h < s.heads ? d_q_weight : d_k_weight)[i] += static_cast<T>(d[i] * x[i] * factor);
          dot += d[i] * weight(h, i) * x[i] * factor / static_cast<double>(D);
        }
        for (i64 i = 0; i < D; ++i)
          d[i] = static_cast<T>((d[i] * weight(h, i) - x[i] * factor * dot) * factor);
      }
    }
  }
};

}  // namespace mft::kernels::reference
