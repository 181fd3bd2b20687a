// Checks and sharing of attention among workers; the tiles are in simd/attention_*.cc.
#include "kernels/attention.h"

#include <vector>

#include "base/profile.h"
#include "kernels/attention_tiles.h"
#include "kernels/check.h"
#include "kernels/simd/table.h"

namespace mft::kernels {
namespace {

constexpr i64 kFewHeads = 8;  // a head's backward with more than this part of all work is cut into tiles
constexpr i64 kMaxHeadDim = 256;

void check_shape(const AttentionShape& s) {
  check_that(s.heads > 0 && s.kv_heads > 0 && s.heads % s.kv_heads == 0, "kernels.shape",
             "attention: sizes must be positive and kv_heads divide heads");
  check_that(s.head_dim > 0 && s.head_dim <= kMaxHeadDim, "kernels.shape", "attention: head_dim is 1 to 256");
  check_that(s.scale > 0.0f && s.window >= 0 && s.softcap >= 0.0f, "kernels.shape",
             "attention: scale must be positive, window and softcap not negative");
}

void check_batch(const AttentionShape& s, const Sequences& sequences, i64 ld_qkv, i64 ld_out) {
  check_shape(s);
  check_that(ld_qkv >= (s.heads + 2 * s.kv_heads) * s.head_dim && ld_out >= s.heads * s.head_dim,
             "kernels.shape", "attention: a row distance is shorter than a row");
  check_that(sequences.count > 0 && sequences.starts[0] == 0, "kernels.shape",
             "attention: sequences begin with the first row");
  for (i64 i = 0; i < sequences.count; ++i) {
    check_that(sequences.length(i) > 0, "kernels.shape", "attention: a sequence is empty");
  }
}

// Probabilities are numbered for dropout sequence by sequence, each as [H, T, padded T].
i64 probabilities(const AttentionShape& shape, i64 time) {
  return shape.heads * time * ((time + 15) / 16 * 16);
}

// The number of each sequence's first one; empty without dropout.
std::vector<i64> first_probabilities(const AttentionShape& shape, const Sequences& sequences,
                                     const DropoutSite& dropout) {
  std::vector<i64> first;
  if (dropout.probability <= 0.0f) return first;
  i64 next = 0;
  for (i64 s = 0; s < sequences.count; ++s) {
    first.push_back(next);
    next += probabilities(shape, sequences.length(s));
    check_that(next < (i64{1} << 34), "kernels.shape",
               "attention: more probabilities than dropout can number");
  }
  return first;
}

// Whether one pass over a head of a sequence is small enough to be left to one worker. Both ways give the same
// bits; in tiles the probabilities are computed twice, which costs less than cores without work.
class WholeHeads {
 public:
  WholeHeads(const AttentionShape& shape, const Sequences& sequences) : shape_(shape) {
    for (i64 s = 0; s < sequences.count; ++s) all_ += shape.kv_heads * cost(sequences.length(s));
  }
  bool operator()(i64 time) const { return time <= kAttentionTileRows || kFewHeads * cost(time) <= all_; }

 private:
  i64 cost(i64 time) const {
    return time * (shape_.window > 0 ? std::min(time, shape_.window) : time);
  }
  const AttentionShape& shape_;
  i64 all_ = 0;
};

}  // namespace

std::size_t attention_workspace(int threads, const AttentionShape& shape, i64 tokens) {
  const i64 deltas = (shape.heads * tokens + 31) / 32 * 32;
  return static_cast<std::size_t>(deltas + threads * table().attention_scratch(shape)) * sizeof(float);
}

void attention_forward(ThreadPool& pool, const AttentionShape& shape, const Sequences& sequences,
                       const float* qkv, i64 ld_qkv, float* out, i64 ld_out, float* logsumexp,
                       const DropoutSite& dropout, Workspace workspace) {
  const profile::Timer timer(profile::Op::kAttention);
  check_batch(shape, sequences, ld_qkv, ld_out);
  check_dropout(dropout);
  check_workspace("attention", workspace, attention_workspace(pool.threads(), shape, sequences.tokens()));
  const Table& isa = table();
  const std::vector<i64> first = first_probabilities(shape, sequences, dropout);
  const auto args = [&](i64 s) {
    const i64 start = sequences.starts[s];
    const float* const q = qkv + start * ld_qkv;
    const float* const keys = q + shape.heads * shape.head_dim;
    return AttentionForwardArgs{shape,
                                sequences.length(s),
                                0,
                                q,
                                ld_qkv,
                                keys,
                                keys + shape.kv_heads * shape.head_dim,
                                ld_qkv,
                                out + start * ld_out,
                                ld_out,
                                logsumexp + start * shape.heads,
                                dropout,
                                first.empty() ? 0 : first[static_cast<std::size_t>(s)]};
  };
  float* const scratch = reinterpret_cast<float*>(workspace.data());
  const i64 H = shape.heads, each = isa.attention_scratch(shape);
  const auto tiles = costly_first(sequences, longest_first(sequences), AttentionSide::kQueries);
  pool.parallel_for(static_cast<i64>(tiles.size()) * H, [&](i64 task, int worker) {
    const AttentionTile& at = tiles[static_cast<std::size_t>(task / H)];
    isa.attention_forward(args(at.sequence), task % H, at.tile, scratch + worker * each);
  });
}

void attention_backward(ThreadPool& pool, const AttentionShape& shape, const Sequences& sequences,
                        const float* qkv, i64 ld_qkv, const float* out, i64 ld_out, const float* logsumexp,
                        const float* d_out, i64 ld_d_out, float* d_qkv, i64 ld_d_qkv,
                        const DropoutSite& dropout, Workspace workspace) {
  const profile::Timer timer(profile::Op::kAttention);
  check_batch(shape, sequences, ld_qkv, ld_out);
  check_batch(shape, sequences, ld_d_qkv, ld_d_out);
  check_dropout(dropout);
  check_workspace("attention", workspace, attention_workspace(pool.threads(), shape, sequences.tokens()));
  const Table& isa = table();
  const i64 H = shape.heads, kv_heads = shape.kv_heads, each = isa.attention_scratch(shape);
  float* const scratch = reinterpret_cast<float*>(workspace.data());
  float* const delta = scratch + pool.threads() * each;
  const std::vector<i64> first = first_probabilities(shape, sequences, dropout);
  const auto args = [&](i64 s) {
    const i64 start = sequences.starts[s];
    return AttentionBackwardArgs{shape,
                                 sequences.length(s),
                                 qkv + start * ld_qkv,
                                 ld_qkv,
                                 out + start * ld_out,
                                 ld_out,
                                 logsumexp + start * H,
                                 d_out + start * ld_d_out,
                                 ld_d_out,
                                 d_qkv + start * ld_d_qkv,
                                 ld_d_qkv,
                                 delta + start * H,
                                 dropout,
                                 first.empty() ? 0 : first[static_cast<std::size_t>(s)]};
  };
  const std::vector<i64> order = longest_first(sequences);
  const auto all = costly_first(sequences, order, AttentionSide::kQueries);
  pool.parallel_for(static_cast<i64>(all.size()) * H, [&](i64 task, int) {
    const AttentionTile& at = all[static_cast<std::size_t>(task / H)];
    isa.attention_delta(args(at.sequence), task % H, at.tile);
  });

  const WholeHeads is_whole(shape, sequences);
  std::vector<i64> whole, cut;
  for (const i64 s : order) (is_whole(sequences.length(s)) ? whole : cut).push_back(s);
  const auto queries = costly_first(sequences, cut, AttentionSide::kQueries);
  const auto keys = costly_first(sequences, cut, AttentionSide::kKeys);
  const i64 head_tasks = static_cast<i64>(whole.size()) * kv_heads;
  const i64 key_tasks = static_cast<i64>(keys.size()) * kv_heads;
  const i64 query_tasks = static_cast<i64>(queries.size()) * H;
  pool.parallel_for(head_tasks + key_tasks + query_tasks, [&](i64 task, int worker) {
    float* const own = scratch + worker * each;
    if (task < head_tasks) {
      const i64 s = whole[static_cast<std::size_t>(task / kv_heads)];
      isa.attention_backward(args(s), task % kv_heads, own);
    } else if (task < head_tasks + key_tasks) {
      const i64 i = task - head_tasks;
      const AttentionTile& at = keys[static_cast<std::size_t>(i / kv_heads)];
      isa.attention_backward_keys(args(at.sequence), i % kv_heads, at.tile, own);
    } else {
      const i64 i = task - head_tasks - key_tasks;
      const AttentionTile& at = queries[static_cast<std::size_t>(i / H)];
      isa.attention_backward_queries(args(at.sequence), i % H, at.tile, own);
    }
  });
}

void attention_append(ThreadPool& pool, const AttentionShape& shape, i64 length, i64 count, const float* q,
                      i64 ld_q, const float* keys, const float* values, i64 ld_kv, float* out, i64 ld_out,
                      Workspace workspace) {
  const profile::Timer timer(profile::Op::kAttention);
  check_shape(shape);
  check_that(length >= 0 && count > 0 && ld_q >= shape.heads * shape.head_dim &&
                 ld_kv >= shape.kv_heads * shape.head_dim && ld_out >= shape.heads * shape.head_dim,
             "kernels.shape", "attention_append: impossible sizes");
  check_workspace("attention_append", workspace, attention_workspace(pool.threads(), shape, count));
  const AttentionForwardArgs args{shape, count, length, q,       ld_q, keys, values,
                                  ld_kv, out,   ld_out, nullptr, {},   0};
  const Table& isa = table();
  float* const scratch = reinterpret_cast<float*>(workspace.data());
  const i64 H = shape.heads, tiles = attention_tiles(count), each = isa.attention_scratch(shape);
  pool.parallel_for(tiles * H, [&](i64 task, int worker) {
    isa.attention_forward(args, task % H, tiles - 1 - task / H, scratch + worker * each);
  });
}

std::size_t attention_decode_workspace(const AttentionShape& shape, i64 length) {
  return static_cast<std::size_t>(shape.heads * ((length + 31) / 16 * 16)) * sizeof(float);
}

void attention_decode(ThreadPool& pool, const AttentionShape& shape, i64 length, const float* q,
                      const float* keys, const float* values, i64 ld_kv, float* out, Workspace workspace) {
  const profile::Timer timer(profile::Op::kAttention);
  check_shape(shape);
  check_that(length > 0 && ld_kv >= shape.kv_heads * shape.head_dim, "kernels.shape",
             "attention_decode: impossible sizes");
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
