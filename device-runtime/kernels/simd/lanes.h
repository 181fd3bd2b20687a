// The SIMD facade: `Lanes` is a vector of always 16 floats, whatever the hardware has (4 x 128, 2 x 256 or 1
// x 512 bits). Row kernels are written once against it, and every sum over lanes has one fixed order, so all
// machines that have fused multiply-add give the same bits.
//
// Compiled once for each instruction set (MFT_ISA is its namespace). Such files use no templates of the
// standard library: the linker keeps one copy of an inline function, and it must not be one compiled for a
// CPU that is not there.
#pragma once

#include <hwy/highway.h>

#include "kernels/simd/macros.h"
#include "kernels/types.h"

namespace mft::kernels::MFT_ISA {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_AVX3
constexpr int kWidth = 16;
#elif HWY_TARGET == HWY_AVX2
constexpr int kWidth = 8;
#elif HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_NEON
constexpr int kWidth = 4;
#else
#error "Highway chose another target than this file is for: see the flags in kernels/CMakeLists.txt"
#endif

constexpr int kLanes = 16;
constexpr int kParts = kLanes / kWidth;

// One hardware vector of floats, and of integers of the same width.
using F = hn::FixedTag<float, kWidth>;
using I = hn::FixedTag<std::int32_t, kWidth>;
using V = hn::Vec<F>;
constexpr F kF{};
constexpr I kI{};

struct Lanes {
  V part[kParts];
};
struct LaneMask {
  hn::Mask<F> part[kParts];
};

// How many lanes of a load or store count: all of them (no code for the rest), or the first `count`.
struct All {};
struct First {
  int count;  // 1..15
};

MFT_INLINE Lanes set(float x) {
  Lanes y;
  MFT_UNROLL for (int i = 0; i < kParts; ++i) y.part[i] = hn::Set(kF, x);
  return y;
}
MFT_INLINE Lanes load(const float* x, All = {}) {
  Lanes y;
  MFT_UNROLL for (int i = 0; i < kParts; ++i) y.part[i] = hn::LoadU(kF, x + i * kWidth);
  return y;
}
MFT_INLINE void store(const Lanes& x, float* y, All = {}) {
  MFT_UNROLL for (int i = 0; i < kParts; ++i) hn::StoreU(x.part[i], kF, y + i * kWidth);
}
// Lanes from `count` on are `rest`.
MFT_INLINE Lanes load(const float* x, First n, float rest = 0.0f) {
  alignas(64) float buffer[kLanes];
  for (int i = 0; i < kLanes; ++i) buffer[i] = i < n.count ? x[i] : rest;
  return load(buffer);
}
MFT_INLINE void store(const Lanes& x, float* y, First n) {
  alignas(64) float buffer[kLanes];
  store(x, buffer);
  for (int i = 0; i < n.count; ++i) y[i] = buffer[i];
}

#define MFT_BINARY(name, op)                                                              \
  MFT_INLINE Lanes name(const Lanes& a, const Lanes& b) {                                 \
    Lanes y;                                                                              \
    MFT_UNROLL for (int i = 0; i < kParts; ++i) y.part[i] = hn::op(a.part[i], b.part[i]); \
    return y;                                                                             \
  }
MFT_BINARY(add, Add)
MFT_BINARY(sub, Sub)
MFT_BINARY(mul, Mul)
MFT_BINARY(div, Div)
// If an operand may be NaN it is the second one: then all instruction sets return it.
MFT_BINARY(max, Max)
MFT_BINARY(min, Min)
#undef MFT_BINARY

// a * b + c, rounded once (on SSE4: twice, which makes that set a numeric class of its own).
MFT_INLINE Lanes fma(const Lanes& a, const Lanes& b, const Lanes& c) {
  Lanes y;
  MFT_UNROLL for (int i = 0; i < kParts; ++i) y.part[i] = hn::MulAdd(a.part[i], b.part[i], c.part[i]);
  return y;
}
MFT_INLINE Lanes sqrt(const Lanes& a) {
  Lanes y;
  MFT_UNROLL for (int i = 0; i < kParts; ++i) y.part[i] = hn::Sqrt(a.part[i]);
  return y;
}
// a where x < y, else b.
MFT_INLINE Lanes select_less(const Lanes& x, const Lanes& y, const Lanes& a, const Lanes& b) {
  Lanes r;
  MFT_UNROLL for (int i = 0; i < kParts; ++i) {
    r.part[i] = hn::IfThenElse(hn::Lt(x.part[i], y.part[i]), a.part[i], b.part[i]);
  }
  return r;
}

// The 16 lanes as a balanced tree: lane i with i + 8, then + 4, + 2, + 1.
MFT_INLINE float sum(const Lanes& x) {
  alignas(64) float s[kLanes];
  store(x, s);
  for (int i = 0; i < 8; ++i) s[i] += s[i + 8];
  for (int i = 0; i < 4; ++i) s[i] += s[i + 4];
  return (s[0] + s[2]) + (s[1] + s[3]);
}
MFT_INLINE float maximum(const Lanes& x) {
  alignas(64) float s[kLanes];
  store(x, s);
  float largest = s[0];
  for (int i = 1; i < kLanes; ++i) largest = s[i] > largest ? s[i] : largest;
  return largest;
}

// body(i, All{}) for whole groups of 16 indices, then body(i, First{rest}).
template <class Body>
MFT_INLINE void for_lanes(i64 n, const Body& body) {
  i64 i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, All{});
  if (i < n) body(i, First{static_cast<int>(n - i)});
}

}  // namespace mft::kernels::MFT_ISA
