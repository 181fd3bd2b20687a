// Inlining and unrolling, for the files that are compiled once for each instruction set.
#pragma once

#define MFT_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define MFT_UNROLL _Pragma("clang loop unroll(full)")
#else
#define MFT_UNROLL _Pragma("GCC unroll 64")
#endif
