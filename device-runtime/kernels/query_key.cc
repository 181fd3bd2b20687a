#include "kernels/query_key.h"

#include <algorithm>

#include "base/profile.h"
#include "kernels/check.h"
#include "kernels/parallel.h"
#include "kernels/simd/table.h"

namespace mft::kernels {
namespace {

constexpr i64 kRowBlock = 64;

void check(const QueryKeyShape& s, const QueryKeyNorm& norm, const QueryKeyRotation& rotation) {
  check_that(s.rows >= 0 && s.heads > 0 && s.kv_heads > 0 && s.head_dim > 0, "kernels.shape",
             "query_key: impossible sizes");
  check_that((norm.q_weight == nullptr) == (norm.k_weight == nullptr), "kernels.shape",
             "query_key: both norms or none");
  if (rotation.table == nullptr) return;
  check_that(s.head_dim % 2 == 0, "kernels.shape", "query_key: a head that turns has an even size");
  for (i64 n = 0; n < s.rows; ++n) {
    check_that(rotation.position[n] >= 0 && rotation.position[n] < rotation.positions, "kernels.id",
               "query_key: a position is outside the table");
  }
}

// The heads of q (which = 0) or k (1) of all rows, as the norm kernels take them for one row.
struct Heads {
  i64 first, count;
  const float* weight;
};
Heads heads_of(const QueryKeyShape& s, const QueryKeyNorm& norm, int which) {
  return which == 0 ? Heads{0, s.heads, norm.q_weight} : Heads{s.heads, s.kv_heads, norm.k_weight};
}

RmsNormRows norm_rows(const QueryKeyShape& s, const QueryKeyNorm& norm, i64 ld) {
  RmsNormRows rows{};
  rows.channels = s.head_dim;
  rows.ldx = rows.ldy = rows.ld_dy = rows.ld_dx = ld;
  rows.eps = norm.eps;
  rows.plus_one = norm.plus_one;
  return rows;
}

}  // namespace

void query_key_forward(ThreadPool& pool, const QueryKeyShape& s, const QueryKeyNorm& norm,
                       const QueryKeyRotation& rotation, const float* qkv, float* out, float* rstd) {
  const profile::Timer timer(profile::Op::kRope);
  check(s, norm, rotation);
  const i64 D = s.head_dim, turning = s.heads + s.kv_heads, width = s.width();
  for_rows(pool, s.rows, width, [&, &isa = table()](i64 begin, i64 end) {
    RmsNormRows args = norm_rows(s, norm, D);
    for (i64 n = begin; n < end; ++n) {
      const float* const from = qkv + n * width;
      float* const to = out + n * width;
      if (norm.q_weight == nullptr) {
        if (to != from) std::copy_n(from, width, to);
      } else {
        for (const int which : {0, 1}) {
          const Heads heads = heads_of(s, norm, which);
          args.x = from + heads.first * D;
          args.y = to + heads.first * D;
          args.weight = heads.weight;
          args.rstd = rstd + n * turning + heads.first;
          isa.rmsnorm_forward(args, 0, heads.count);
        }
        if (to != from) std::copy_n(from + turning * D, s.kv_heads * D, to + turning * D);
      }
      if (rotation.table != nullptr) {
        isa.rope(turning, D, rotation.table + rotation.position[n] * D, false, to);
      }
    }
  });
}

void query_key_backward(ThreadPool& pool, const QueryKeyShape& s, const QueryKeyNorm& norm,
                        const QueryKeyRotation& rotation, const float* qkv, const float* rstd, float* d_qkv,
                        float* d_q_weight, float* d_k_weight) {
  const profile::Timer timer(profile::Op::kRope);
  check(s, norm, rotation);
  const Table& isa = table();
  const i64 D = s.head_dim, turning = s.heads + s.kv_heads, width = s.width();
  float* const d_weights[] = {d_q_weight, d_k_weight};
  const auto turn_back = [&](i64 n) {
    if (rotation.table == nullptr) return;
    isa.rope(turning, D, rotation.table + rotation.position[n] * D, true, d_qkv + n * width);
  };
  const auto norm_back = [&](i64 n) {
    RmsNormRows args = norm_rows(s, norm, D);
    for (const int which : {0, 1}) {
      const Heads heads = heads_of(s, norm, which);
      args.x = qkv + n * width + heads.first * D;
      args.dx = d_qkv + n * width + heads.first * D;
      args.dy = args.dx;
      args.weight = heads.weight;
      args.rstd = const_cast<float*>(rstd) + n * turning + heads.first;  // only forward writes it
      isa.rmsnorm_backward(args, 0, heads.count);
    }
  };
  const bool normed = norm.q_weight != nullptr;
  const bool trained = normed && (d_q_weight != nullptr || d_k_weight != nullptr);
  for_rows(pool, s.rows, width, [&](i64 begin, i64 end) {
    for (i64 n = begin; n < end; ++n) {
      turn_back(n);
      if (normed && !trained) norm_back(n);
    }
  });
  if (!trained) return;
  // Before norm_back overwrites what they read. A worker owns columns; sums go by blocks of rows.
  for_columns(pool, D, [&](i64 begin, i64 end) {
    for (const int which : {0, 1}) {
      if (d_weights[which] == nullptr) continue;
      const Heads heads = heads_of(s, norm, which);
      RmsNormRows args = norm_rows(s, norm, D);
      for (i64 block = 0; block < s.rows; block += kRowBlock) {
        float sums[kColumnTile] = {};
        for (i64 n = block; n < std::min(s.rows, block + kRowBlock); ++n) {
          args.x = qkv + n * width + heads.first * D + begin;
          args.dy = d_qkv + n * width + heads.first * D + begin;
          args.rstd = const_cast<float*>(rstd) + n * turning + heads.first;
          isa.rmsnorm_parameters(args, heads.count, 0, end - begin, sums);
        }
        isa.add(end - begin, d_weights[which] + begin, sums, d_weights[which] + begin);
      }
    }
  });
  for_rows(pool, s.rows, width, [&](i64 begin, i64 end) {
    for (i64 n = begin; n < end; ++n) norm_back(n);
  });
}

}  // namespace mft::kernels
