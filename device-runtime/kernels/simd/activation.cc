// Activations. Both are x * sigmoid(u(x)): u = x for SiLU, and for GELU in its tanh form u = 2 sqrt(2/pi) (x
// + 0.044715 x^3), since (1 + tanh z) / 2 = sigmoid(2 z). That needs no tanh and stays accurate where 1 +
// tanh cancels.
#include "kernels/simd/rows.h"

namespace mft::kernels::MFT_ISA {
namespace {

constexpr float kGeluLinear = 1.5957691216057308f;  // 2 sqrt(2 / pi)
constexpr float kGeluCubic = 0.071354816272600f;    // 0.044715 of that

struct Gelu {
  static HWY_INLINE Lanes u(const Lanes& x) {
    return mul(x, fma(set(kGeluCubic), mul(x, x), set(kGeluLinear)));
  }
  static HWY_INLINE Lanes du(const Lanes& x) { return fma(set(3 * kGeluCubic), mul(x, x), set(kGeluLinear)); }
};
struct Silu {
  static HWY_INLINE Lanes u(const Lanes& x) { return x; }
  static HWY_INLINE Lanes du(const Lanes&) { return set(1.0f); }
};

template <class Kind>
MFT_INLINE Lanes value(const Lanes& x) {
  return mul(x, sigmoid(Kind::u(x)).value);
}

// s + x s (1 - s) u', with 1 - s = e^-u s: no cancellation.
template <class Kind>
MFT_INLINE Lanes derivative(const Lanes& x, Lanes* value_out) {
  const Sigmoid s = sigmoid(Kind::u(x));
  const Lanes rest = mul(s.exponential, s.value);
  *value_out = mul(x, s.value);
  return fma(mul(*value_out, rest), Kind::du(x), s.value);
}

template <class Kind>
void forward(i64 n, const float* x, float* y) {
  for_lanes(n, [&](i64 i, auto count) { store(value<Kind>(load(x + i, count)), y + i, count); });
}

template <class Kind>
void backward(i64 n, const float* x, const float* dy, float* dx) {
  for_lanes(n, [&](i64 i, auto count) {
    Lanes unused;
    const Lanes d = derivative<Kind>(load(x + i, count), &unused);
    store(mul(d, load(dy + i, count)), dx + i, count);
  });
}

template <class Kind>
void gated(i64 n, const float* gate, const float* up, float* y) {
  for_lanes(n, [&](i64 i, auto count) {
    store(mul(value<Kind>(load(gate + i, count)), load(up + i, count)), y + i, count);
  });
}

template <class Kind>
void gated_back(i64 n, const float* gate, const float* up, const float* dy, float* d_gate, float* d_up) {
  for_lanes(n, [&](i64 i, auto count) {
    const Lanes g = load(gate + i, count), u = load(up + i, count), d = load(dy + i, count);
    Lanes activated;
    const Lanes slope = derivative<Kind>(g, &activated);
    store(mul(mul(slope, u), d), d_gate + i, count);
    store(mul(activated, d), d_up + i, count);
  });
}

}  // namespace

void activation_forward(ActivationKind kind, i64 n, const float* x, float* y) {
  (kind == ActivationKind::kSilu ? forward<Silu> : forward<Gelu>)(n, x, y);
}
void activation_backward(ActivationKind kind, i64 n, const float* x, const float* dy, float* dx) {
  (kind == ActivationKind::kSilu ? backward<Silu> : backward<Gelu>)(n, x, dy, dx);
}
void gated_forward(ActivationKind kind, i64 n, const float* gate, const float* up, float* y) {
  (kind == ActivationKind::kSilu ? gated<Silu> : gated<Gelu>)(n, gate, up, y);
}
void gated_backward(ActivationKind kind, i64 n, const float* gate, const float* up, const float* dy,
                    float* d_gate, float* d_up) {
  (kind == ActivationKind::kSilu ? gated_back<Silu> : gated_back<Gelu>)(n, gate, up, dy, d_gate, d_up);
}

}  // namespace mft::kernels::MFT_ISA
