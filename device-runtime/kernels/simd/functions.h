// exp and what is made of it, 16 lanes at a time, by polynomials in fused multiply-adds: the same bits
// everywhere.
#pragma once

#include "kernels/simd/lanes.h"

namespace mft::kernels::MFT_ISA {

// e^x within 2 ulp on [-87.3, 88]; 0 below, e^88 above; NaN stays NaN.
// x = n ln 2 + r, |r| <= ln 2 / 2; polynomial of degree 7 in r (Cephes, expf); 2^n by its exponent bits.
MFT_INLINE Lanes exp(const Lanes& argument) {
  Lanes result;
  MFT_UNROLL for (int i = 0; i < kParts; ++i) {
    const V x = hn::Min(hn::Set(kF, 88.0f), argument.part[i]);
    const V n = hn::Round(hn::Mul(x, hn::Set(kF, 1.44269504088896341f)));
    V r = hn::MulAdd(n, hn::Set(kF, -0.693359375f), x);
    r = hn::MulAdd(n, hn::Set(kF, 2.12194440e-4f), r);
    V p = hn::Set(kF, 1.9875691500e-4f);
    p = hn::MulAdd(p, r, hn::Set(kF, 1.3981999507e-3f));
    p = hn::MulAdd(p, r, hn::Set(kF, 8.3334519073e-3f));
    p = hn::MulAdd(p, r, hn::Set(kF, 4.1665795894e-2f));
    p = hn::MulAdd(p, r, hn::Set(kF, 1.6666665459e-1f));
    p = hn::MulAdd(p, r, hn::Set(kF, 5.0000001201e-1f));
    p = hn::Add(hn::MulAdd(p, hn::Mul(r, r), r), hn::Set(kF, 1.0f));
    // Far below, n is out of range: the lane is replaced by 0 in the end, the clamp keeps the conversion
    // defined.
    const V bounded = hn::Max(hn::Set(kF, -126.0f), n);
    const auto exponent = hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(kI, bounded), hn::Set(kI, 127)));
    p = hn::Mul(p, hn::BitCast(kF, exponent));
    result.part[i] = hn::IfThenElse(hn::Lt(x, hn::Set(kF, -87.3f)), hn::Zero(kF), p);
  }
  return result;
}

// 1 / (1 + e^-x), and e^-x itself, which the derivatives need.
struct Sigmoid {
  Lanes value;
  Lanes exponential;
};
MFT_INLINE Sigmoid sigmoid(const Lanes& x) {
  const Lanes e = exp(sub(set(0.0f), x));
  return {div(set(1.0f), add(set(1.0f), e)), e};
}

// tanh within 3 ulp: a polynomial near 0 (Cephes, tanhf), where 1 - 2 / (e^2x + 1) would cancel.
MFT_INLINE Lanes tanh(const Lanes& x) {
  const Lanes size = max(x, sub(set(0.0f), x));
  const Lanes far = sub(set(1.0f), div(set(2.0f), add(exp(add(size, size)), set(1.0f))));
  const Lanes square = mul(x, x);
  Lanes p = set(-5.70498872745e-3f);
  p = fma(p, square, set(2.06390887954e-2f));
  p = fma(p, square, set(-5.37397155531e-2f));
  p = fma(p, square, set(1.33314422036e-1f));
  p = fma(p, square, set(-3.33332819422e-1f));
  const Lanes near = fma(mul(p, square), x, x);
  const Lanes turned = select_less(x, set(0.0f), sub(set(0.0f), far), far);
  return select_less(size, set(0.625f), near, turned);
}

}  // namespace mft::kernels::MFT_ISA
