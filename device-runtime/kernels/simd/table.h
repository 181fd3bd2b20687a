// The functions that are compiled once for each instruction set, and the table through which the rest calls
// them. They work on a part of a problem (a range of rows, a tile); threads, checks and memory are the
// callers' business.
#pragma once

#include "kernels/activation.h"
#include "kernels/adamw.h"
#include "kernels/attention.h"
#include "kernels/dropout.h"
#include "kernels/types.h"

namespace mft::kernels {

// Memory that will be read next: while a block is multiplied it is fetched into the second-level cache, a line
// every few k. Whether and when changes no result.
struct Ahead {
  const std::byte* at = nullptr;  // the next line
  i64 left = 0;                   // lines
  i64 in_row = 0, row_lines = 0;  // left of this row, in each row
  i64 jump = 0;                   // bytes from behind a row's last line to the next row's first
};

struct BlockEpilogue {
  float alpha = 1.0f;
  bool accumulate = false;          // add what C holds
  const float* bias = nullptr;      // of the block's first column
  const float* residual = nullptr;  // of the block's first element
  i64 ld_residual = 0;
  Ahead* ahead = nullptr;  // may be null; kernels may ignore it
};

// What the matrix product is made of, for one kind of arithmetic. A packed operand of R rows (of A, or columns
// of B) and depth K is ceil(R / W) strips; a strip is K groups of W values, rows beyond R are 0. W is tile_rows
// for A, tile_columns for B. K is rounded up to depth_unit, with zeros; inside a group the order of up to
// depth_unit neighbouring k is the kernels' own business.
struct GemmKernels {
  int tile_rows, tile_columns;
  int value_bytes;  // of a packed value; at most 4
  int depth_unit;   // 1 to kLargestDepthUnit
  // Packs columns [column, column + depth) of the first `rows` rows: a transposing pack.
  void (*pack_rows)(const Weights& source, i64 column, i64 rows, i64 depth, int strip, void* packed);
  // Packs columns [column, column + rows) of the first `depth` rows: the source is the transposed matrix.
  void (*pack_columns)(const Weights& source, i64 column, i64 rows, i64 depth, int strip, void* packed);
  // C [M, N] = alpha * A B + what the epilogue says, for one k block of packed operands.
  void (*block)(i64 M, i64 N, i64 K, const void* a, const void* b, float* C, i64 ldc, const BlockEpilogue&);
};
constexpr int kLargestDepthUnit = 4;

struct LayerNormRows {
  i64 channels;
  const float *x, *weight, *bias, *dy;
  float *y, *mean, *rstd, *dx;
  float eps;
  bool add_dx;
};
struct RmsNormRows {
  i64 channels, ldx, ldy;
  const float *x, *weight, *dy;
  i64 ld_dy, ld_dx;
  float *y, *rstd, *dx;
  float eps;
  bool plus_one, add_dx;
};
// Attention of one sequence: pointers are to its first row, and to its first head.
struct AttentionForwardArgs {
  AttentionShape shape;
  i64 time;      // queries
  i64 position;  // of the first query; keys and values are those of all positions from 0 on
  const float* q;
  i64 ld_q;
  const float *keys, *values;
  i64 ld_kv;
  float* out;
  i64 ld_out;
  float* logsumexp;  // [H, T]; null: not wanted
  DropoutSite dropout;
  i64 first_probability;  // number of the sequence's first element for dropout; position is 0 then
};
struct AttentionBackwardArgs {
  AttentionShape shape;
  i64 time;
  const float* qkv;
  i64 ld_qkv;
  const float* out;
  i64 ld_out;
  const float* logsumexp;
  const float* d_out;
  i64 ld_d_out;
  float* d_qkv;
  i64 ld_d_qkv;
  float* delta;  // [H, T]: d_out . out of each query
  DropoutSite dropout;
  i64 first_probability;
};

struct Table {
  const char* name;
  bool fused;  // has fused multiply-add
  GemmKernels gemm;
  GemmKernels gemm_bf16;   // Compute::kBF16
  const char* bf16_class;  // the numeric class of its sums (kernels/isa.h)

  void (*layernorm_forward)(const LayerNormRows&, i64 begin, i64 end);
  void (*layernorm_backward)(const LayerNormRows&, i64 begin, i64 end);
  // d_weight and d_bias (each may be null) of columns [begin, end), at most 64, over all rows.
  void (*layernorm_parameters)(const LayerNormRows&, i64 rows, i64 begin, i64 end, float* d_weight,
                               float* d_bias);
  void (*rmsnorm_forward)(const RmsNormRows&, i64 begin, i64 end);
  void (*rmsnorm_backward)(const RmsNormRows&, i64 begin, i64 end);
  void (*rmsnorm_parameters)(const RmsNormRows&, i64 rows, i64 begin, i64 end, float* d_weight);

  void (*activation_forward)(ActivationKind, i64 n, const float* x, float* y);
  void (*activation_backward)(ActivationKind, i64 n, const float* x, const float* dy, float* dx);
  void (*gated_forward)(ActivationKind, i64 n, const float* gate, const float* up, float* y);
  void (*gated_backward)(ActivationKind, i64 n, const float* gate, const float* up, const float* dy,
                         float* d_gate, float* d_up);

  void (*add)(i64 n, const float* a, const float* b, float* y);
  void (*scale)(i64 n, float s, const float* x, float* y);
  void (*convert)(const Weights& x, bool accumulate, float* y);  // the first row of x
  void (*column_sums)(i64 rows, i64 columns, const float* x, i64 ld, float* sums);  // sums += , columns <= 64
  double (*sum_of_squares)(i64 n, const float* x);
  void (*dropout)(const DropoutSite&, i64 first, i64 n, const float* x, float* y);  // first: a multiple of 16
  void (*adamw)(i64 n, const AdamWStep&, float* p, float* g, float* m, float* v, bool zero_gradient);
  void (*rope)(i64 heads, i64 D, const float* angles, bool inverse, float* x);

  // Bytes of scratch that one worker needs for the tile functions of attention.
  i64 (*attention_scratch)(const AttentionShape&);
  void (*attention_forward)(const AttentionForwardArgs&, i64 h, i64 tile, float* scratch);
  // One pass over all tiles of key/value head kv: its d_k and d_v and the d_q of the heads that share it.
  void (*attention_backward)(const AttentionBackwardArgs&, i64 kv, float* scratch);
  // The same in two kinds of tiles, for when there are few heads: d_k and d_v of key tile, d_q of query tile.
  void (*attention_backward_keys)(const AttentionBackwardArgs&, i64 kv, i64 tile, float* scratch);
  void (*attention_backward_queries)(const AttentionBackwardArgs&, i64 h, i64 tile, float* scratch);
  void (*attention_delta)(const AttentionBackwardArgs&, i64 h, i64 tile);
  // One head of a single query over `length` keys; scores [length + 16].
  void (*attention_decode)(i64 length, i64 D, float scale, float softcap, const float* q, const float* keys,
                           const float* values, i64 ld, float* scores, float* out);

  // Folds n logits into the running maximum and sum of exponentials (of logits minus that maximum).
  void (*logsumexp)(i64 n, const float* logits, float* largest, float* sum);
  // logits[i] = cap * tanh(logits[i] / cap)
  void (*softcap)(i64 n, float cap, float* logits);
  // logits[i] = exp(logits[i] - lse) * scale; with a cap (not 0) also times the slope of softcap where it gave
  // logits[i].
  void (*softmax_gradient)(i64 n, float* logits, float lse, float scale, float cap);
};

// The table in use (kernels/isa.h).
const Table& table();

}  // namespace mft::kernels
