// Norms, activations, embeddings, rope, AdamW and sums, one element after the other: the oracles of the
// kernels of the same names. T is the storage type, arithmetic is double.
#pragma once

#include <cmath>
#include <vector>

#include "kernels/activation.h"
#include "kernels/adamw.h"
#include "kernels/rope.h"
#include "kernels/types.h"

namespace mft::kernels::reference {

template <class T>
void layernorm_forward(i64 N, i64 C, const T* x, const T* weight, const T* bias, double eps, T* y, T* mean,
                       T* rstd) {
  for (i64 n = 0; n < N; ++n) {
    double m = 0, v = 0;
    for (i64 c = 0; c < C; ++c) m += x[n * C + c];
    m /= static_cast<double>(C);
    for (i64 c = 0; c < C; ++c) v += (x[n * C + c] - m) * (x[n * C + c] - m);
    const double r = 1 / std::sqrt(v / static_cast<double>(C) + eps);
    for (i64 c = 0; c < C; ++c) {
      y[n * C + c] = static_cast<T>((x[n * C + c] - m) * r * weight[c] + (bias != nullptr ? bias[c] : T{0}));
    }
    mean[n] = static_cast<T>(m);
    rstd[n] = static_cast<T>(r);
  }
}

template <class T>
void layernorm_backward(i64 N, i64 C, const T* dy, const T* x, const T* weight, const T* mean, const T* rstd,
                        double beta, T* dx, T* d_weight, T* d_bias) {
  for (i64 n = 0; n < N; ++n) {
    const double m = mean[n], r = rstd[n];
    double sum = 0, dot = 0;
    for (i64 c = 0; c < C; ++c) {
      const double g = static_cast<double>(dy[n * C + c]) * weight[c];
      sum += g;
      dot += g * (x[n * C + c] - m) * r;
      if (d_weight != nullptr) d_weight[c] += static_cast<T>(dy[n * C + c] * (x[n * C + c] - m) * r);
      if (d_bias != nullptr) d_bias[c] += dy[n * C + c];
    }
    sum /= static_cast<double>(C);
    dot /= static_cast<double>(C);
    for (i64 c = 0; c < C; ++c) {
      const double g = static_cast<double>(dy[n * C + c]) * weight[c];
      const double d = (g - sum - (x[n * C + c] - m) * r * dot) * r;
      dx[n * C + c] = static_cast<T>((beta != 0 ? beta * dx[n * C + c] : 0.0) + d);
    }
  }
}

template <class T>
void rmsnorm_forward(i64 N, i64 C, const T* x, i64 ldx, const T* weight, bool plus_one, double eps, T* y,
                     i64 ldy, T* rstd) {
  for (i64 n = 0; n < N; ++n) {
    double v = 0;
    for (i64 c = 0; c < C; ++c) v += static_cast<double>(x[n * ldx + c]) * x[n * ldx + c];
    const double r = 1 / std::sqrt(v / static_cast<double>(C) + eps);
    for (i64 c = 0; c < C; ++c) {
      y[n * ldy + c] = static_cast<T>(x[n * ldx + c] * r * (weight[c] + (plus_one ? 1.0 : 0.0)));
    }
    rstd[n] = static_cast<T>(r);
  }
}

template <class T>
void rmsnorm_backward(i64 N, i64 C, const T* dy, i64 ld_dy, const T* x, i64 ldx, const T* weight,
                      bool plus_one, const T* rstd, double beta, T* dx, i64 ld_dx, T* d_weight) {
  for (i64 n = 0; n < N; ++n) {
    const double r = rstd[n];
    double dot = 0;
    for (i64 c = 0; c < C; ++c) {
      dot += dy[n * ld_dy + c] * (weight[c] + (plus_one ? 1.0 : 0.0)) * x[n * ldx + c] * r;
      if (d_weight != nullptr) d_weight[c] += static_cast<T>(dy[n * ld_dy + c] * x[n * ldx + c] * r);
    }
    dot /= static_cast<double>(C);
    for (i64 c = 0; c < C; ++c) {
      const double g = dy[n * ld_dy + c] * (weight[c] + (plus_one ? 1.0 : 0.0));
      const double d = (g - x[n * ldx + c] * r * dot) * r;
      dx[n * ld_dx + c] = static_cast<T>((beta != 0 ? beta * dx[n * ld_dx + c] : 0.0) + d);
    }
  }
}

inline double activation(ActivationKind kind, double x) {
  if (kind == ActivationKind::kSilu) return x / (1 + std::exp(-x));
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

inline double activation_derivative(ActivationKind kind, double x) {
  if (kind == ActivationKind::kSilu) {
    const double s = 1 / (1 + std::exp(-x));
    return s * (1 + x * (1 - s));
  }
  const double c = std::sqrt(2 / M_PI);
  const double t = std::tanh(c * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x);
}

template <class T>
void activation_forward(ActivationKind kind, i64 n, const T* x, T* y) {
  for (i64 i = 0; i < n; ++i) y[i] = static_cast<T>(activation(kind, x[i]));
}

template <class T>
void activation_backward(ActivationKind kind, i64 n, const T* x, const T* dy, T* dx) {
  for (i64 i = 0; i < n; ++i) dx[i] = static_cast<T>(activation_derivative(kind, x[i]) * dy[i]);
}

template <class T>
void gated_forward(ActivationKind kind, i64 N, i64 F, const T* gate, const T* up, i64 ld, T* y, i64 ldy) {
  for (i64 n = 0; n < N; ++n) {
    for (i64 f = 0; f < F; ++f) {
      y[n * ldy + f] = static_cast<T>(activation(kind, gate[n * ld + f]) * up[n * ld + f]);
    }
  }
}

template <class T>
void gated_backward(ActivationKind kind, i64 N, i64 F, const T* gate, const T* up, i64 ld, const T* dy,
                    i64 ldy, T* d_gate, T* d_up, i64 ld_d) {
  for (i64 n = 0; n < N; ++n) {
    for (i64 f = 0; f < F; ++f) {
      const double g = gate[n * ld + f], u = up[n * ld + f], d = dy[n * ldy + f];
      d_gate[n * ld_d + f] = static_cast<T>(activation_derivative(kind, g) * u * d);
      d_up[n * ld_d + f] = static_cast<T>(activation(kind, g) * d);
    }
  }
}

template <class T>
void embedding_forward(i64 N, i64 C, const std::int32_t* ids, const T* table, double beta, T* out) {
  for (i64 n = 0; n < N; ++n) {
    for (i64 c = 0; c < C; ++c) {
      out[n * C + c] = static_cast<T>((beta != 0 ? beta * out[n * C + c] : 0.0) + table[ids[n] * C + c]);
    }
  }
}

template <class T>
void embedding_backward(i64 N, i64 C, const std::int32_t* ids, const T* d_out, T* d_table) {
  for (i64 n = 0; n < N; ++n) {
    for (i64 c = 0; c < C; ++c) d_table[ids[n] * C + c] += d_out[n * C + c];
  }
}

// cos and sin of position * frequency i, i < D/2 (the formulas: kernels/rope.h).
template <class T>
void rope_table(i64 rows, i64 D, const RopeFrequencies& f, T* table) {
  for (i64 i = 0; i < D / 2; ++i) {
    const double plain = std::pow(f.base, -2.0 * static_cast<double>(i) / static_cast<double>(D));
    const double wavelength = 2 * M_PI / plain;
    double frequency = plain;
    if (f.scaling == RopeFrequencies::Scaling::kLinear) frequency = plain / f.factor;
    if (f.scaling == RopeFrequencies::Scaling::kLlama3 && wavelength >= f.original_positions / f.high_factor) {
      const double smooth = (f.original_positions / wavelength - f.low_factor) / (f.high_factor - f.low_factor);
      frequency = wavelength > f.original_positions / f.low_factor
                      ? plain / f.factor
                      : (1 - smooth) * plain / f.factor + smooth * plain;
    }
    for (i64 t = 0; t < rows; ++t) {
      const double angle = static_cast<double>(t) * frequency;
      table[t * D + i] = static_cast<T>(std::cos(angle));
      table[t * D + D / 2 + i] = static_cast<T>(std::sin(angle));
    }
  }
}

template <class T>
void rope(i64 N, i64 heads, i64 D, i64 time, const T* table, const std::int32_t* positions, bool inverse,
          T* x, i64 ld) {
  for (i64 n = 0; n < N; ++n) {
    const T* angles = table + (positions != nullptr ? positions[n] : n % time) * D;
    for (i64 h = 0; h < heads; ++h) {
      for (i64 i = 0; i < D / 2; ++i) {
        T& a = x[n * ld + h * D + i];
        T& b = x[n * ld + h * D + D / 2 + i];
        const double cos = angles[i], sin = inverse ? -angles[D / 2 + i] : angles[D / 2 + i];
        const double x0 = a, x1 = b;
        a = static_cast<T>(x0 * cos - x1 * sin);
        b = static_cast<T>(x1 * cos + x0 * sin);
      }
    }
  }
}

template <class T>
void bias_gradient(i64 N, i64 C, const T* dy, i64 ld, T* d_bias) {
  for (i64 c = 0; c < C; ++c) {
    double sum = 0;
    for (i64 n = 0; n < N; ++n) sum += dy[n * ld + c];
    d_bias[c] += static_cast<T>(sum);
  }
}

template <class T>
double sum_of_squares(i64 n, const T* x) {
  double sum = 0;
  for (i64 i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

template <class T>
void adamw(i64 n, double learning_rate, double beta1, double beta2, double eps, double weight_decay, i64 t,
           double gradient_scale, T* p, const T* g, T* m, T* v) {
  const double correction1 = 1 - std::pow(beta1, static_cast<double>(t));
  const double correction2 = 1 - std::pow(beta2, static_cast<double>(t));
  for (i64 i = 0; i < n; ++i) {
    const double gradient = g[i] * gradient_scale;
    p[i] = static_cast<T>(p[i] * (1 - learning_rate * weight_decay));
    m[i] = static_cast<T>(beta1 * m[i] + (1 - beta1) * gradient);
    v[i] = static_cast<T>(beta2 * v[i] + (1 - beta2) * gradient * gradient);
    p[i] -= static_cast<T>(learning_rate / correction1 * m[i] / (std::sqrt(v[i] / correction2) + eps));
  }
}

}  // namespace mft::kernels::reference
