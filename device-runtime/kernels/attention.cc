// Checks and sharing of attention among workers; the tiles are in simd/attention_*.cc.
#include "kernels/attention.h"

#include "base/profile.h"
#include "kernels/check.h"
#include "kernels/simd/table.h"

namespace mft::kernels {
namespace {

constexpr i64 kTile = 96;     // simd/attention.h
constexpr i64 kFewHeads = 8;  // below, a head's backward is cut into tiles that different workers can take
constexpr i64 kMaxHeadDim = 256;

void check_shape(const AttentionShape& s, i64 ld_qkv, i64 ld_out) {
  check_that(s.batch > 0 && s.time > 0 && s.heads > 0 && s.kv_heads > 0 && s.heads % s.kv_heads == 0,
             "kernels.shape", "attention: sizes must be positive and kv_heads divide heads");
  check_that(s.head_dim > 0 && s.head_dim <= kMaxHeadDim, "kernels.shape", "attention: head_dim is 1 to 256");
  check_that(s.scale > 0.0f && s.window >= 0 && s.softcap >= 0.0f, "kernels.shape",
             "attention: scale must be positive, window and softcap not negative");
  check_that(ld_qkv >= (s.heads + 2 * s.kv_heads) * s.head_dim && ld_out >= s.heads * s.head_dim,
             "kernels.shape", "attention: a row distance is shorter than a row");
  const i64 padded = (s.time + 15) / 16 * 16;
  check_that(s.batch * s.heads * s.time * padded < (i64{1} << 34), "kernels.shape",
             "attention: more probabilities than dropout can number");
}

i64 scratch_floats(const AttentionShape& shape) { return table().attention_scratch(shape); }

}  // namespace

std::size_t attention_workspace(int threads, const AttentionShape& shape) {
  const i64 deltas = (shape.batch * shape.heads * shape.time + 31) / 32 * 32;
  return static_cast<std::size_t>(deltas + threads * scratch_floats(shape)) * sizeof(float);
}

void attention_forward(ThreadPool& pool, const AttentionShape& shape, const float* qkv, i64 ld_qkv,
                       float* out, i64 ld_out, float* logsumexp, const DropoutSite& dropout,
                       Workspace workspace) {
  const profile::Timer timer(profile::Op::kAttention);
  check_shape(shape, ld_qkv, ld_out);
  check_dropout(dropout);
  check_workspace("attention", workspace, attention_workspace(pool.threads(), shape));
  const Table& isa = table();
  const AttentionForwardArgs args{shape, qkv, ld_qkv, out, ld_out, logsumexp, dropout};
  float* const scratch = reinterpret_cast<float*>(workspace.data());
  const i64 tiles = (shape.time + kTile - 1) / kTile, each = scratch_floats(shape);
  pool.parallel_for(shape.batch * shape.heads * tiles, [&](i64 task, int worker) {
    // The last tiles see most keys: the long ones first, the short ones fill the gaps.
    const i64 head = task % (shape.batch * shape.heads),
              tile = tiles - 1 - task / (shape.batch * shape.heads);
    isa.attention_forward(args, head / shape.heads, head % shape.heads, tile, scratch + worker * each);
  });
}

void attention_backward(ThreadPool& pool, const AttentionShape& shape, const float* qkv, i64 ld_qkv,
                        const float* out, i64 ld_out, const float* logsumexp, const float* d_out,
                        i64 ld_d_out, float* d_qkv, i64 ld_d_qkv, const DropoutSite& dropout,
                        Workspace workspace) {
  const profile::Timer timer(profile::Op::kAttention);
  check_shape(shape, ld_qkv, ld_out);
  check_shape(shape, ld_d_qkv, ld_d_out);
  check_dropout(dropout);
  check_workspace("attention", workspace, attention_workspace(pool.threads(), shape));
  const Table& isa = table();
  const i64 B = shape.batch, H = shape.heads, kv_heads = shape.kv_heads, each = scratch_floats(shape);
  const i64 tiles = (shape.time + kTile - 1) / kTile;
  float* const scratch = reinterpret_cast<float*>(workspace.data());
  float* const delta = scratch + pool.threads() * each;
  const AttentionBackwardArgs args{shape, qkv,      ld_qkv, out,      ld_out, logsumexp,
                                   d_out, ld_d_out, d_qkv,  ld_d_qkv, delta,  dropout};
  pool.parallel_for(B * H * tiles, [&](i64 task, int) {
    isa.attention_delta(args, task / tiles / H, task / tiles % H, task % tiles);
  });
  if (B * kv_heads >= kFewHeads || tiles == 1) {
    pool.parallel_for(B * kv_heads, [&](i64 task, int worker) {
      isa.attention_backward(args, task / kv_heads, task % kv_heads, scratch + worker * each);
    });
    return;
  }
  // Probabilities are computed twice, which costs less than cores without work.
  const i64 key_tasks = B * kv_heads * tiles;
  pool.parallel_for(key_tasks + B * H * tiles, [&](i64 task, int worker) {
    float* const own = scratch + worker * each;
    if (task < key_tasks) {
      const i64 head = task % (B * kv_heads), tile = task / (B * kv_heads);  // the first keys are seen most
      isa.attention_backward_keys(args, head / kv_heads, head % kv_heads, tile, own);
    } else {
      const i64 head = (task - key_tasks) % (B * H), tile = tiles - 1 - (task - key_tasks) / (B * H);
      isa.attention_backward_queries(args, head / H, head % H, tile, own);
    }
  });
}

std::size_t attention_decode_workspace(const AttentionShape& shape, i64 length) {
  return static_cast<std::size_t>(shape.heads * ((length + 31) / 16 * 16)) * sizeof(float);
}

void attention_decode(ThreadPool& pool, const AttentionShape& shape, i64 length, const float* q,
                      const float* keys, const float* values, i64 ld_kv, float* out, Workspace workspace) {
  const profile::Timer timer(profile::Op::kAttention);
  check_that(length > 0 && shape.heads > 0 && shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0 &&
                 shape.head_dim > 0 && ld_kv >= shape.kv_heads * shape.head_dim && shape.scale > 0.0f &&
                 shape.softcap >= 0.0f,
             "kernels.shape", "attention_decode: impossible sizes");
  check_workspace("attention_decode", workspace, attention_decode_workspace(shape, length));
  const Table& isa = table();
  const i64 D = shape.head_dim, group = shape.heads / shape.kv_heads, each = (length + 31) / 16 * 16;
  const i64 first = shape.window > 0 && length > shape.window ? length - shape.window : 0;
  pool.parallel_for(shape.heads, [&](i64 h, int) {
    const i64 from = first * ld_kv + h / group * D;
    isa.attention_decode(length - first, D, shape.scale, shape.softcap, q + h * D, keys + from, values + from,
                         ld_kv, reinterpret_cast<float*>(workspace.data()) + h * each, out + h * D);
  });
}

}  // namespace mft::kernels
