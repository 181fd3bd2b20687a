// Rows of attention_*: grouped heads, windows, soft caps, dropout.
#include <memory>

#include "kernels/attention.h"
#include "kernels/gradient_check.h"
#include "kernels/ops_table.h"
#include "kernels/reference/attention.h"

namespace mft::kernels::test {
namespace {

using Vector = std::vector<double>;

struct Data {
  Data(const AttentionShape& shape, const std::vector<i64>& lengths_of, float probability)
      : s(shape),
        lengths(lengths_of),
        sequences(lengths_of),
        width((s.heads + 2 * s.kv_heads) * s.head_dim),
        ld(width + 5),
        ld_out(s.heads * s.head_dim + 3),
        qkv(random_vector(sequences.tokens() * ld, 1, 2.0f)),
        d_out(random_vector(sequences.tokens() * ld_out, 2)) {
    dropout.seed = 99;
    dropout.step = 3;
    dropout.layer = 1;
    dropout.probability = probability;
  }
  AttentionShape s;
  std::vector<i64> lengths;
  Starts sequences;
  i64 width, ld, ld_out;
  std::vector<float> qkv, d_out;
  DropoutSite dropout;

  i64 tokens() const { return sequences.tokens(); }
  // Tiles have 96 rows of a head; the backward goes by key/value heads.
  bool parallel() const { return static_cast<i64>(lengths.size()) * s.kv_heads >= 3; }
};
using Shared = std::shared_ptr<const Data>;

struct Forward {
  Vector out, logsumexp;
};
Forward forward(const Data& d, const Vector& qkv) {
  Forward f{Vector(d.d_out.size()), zeros<double>(d.tokens() * d.s.heads)};
  reference::attention_forward(d.s, d.sequences, qkv.data(), d.ld, f.out.data(), d.ld_out, f.logsumexp.data(),
                               d.dropout);
  return f;
}

Problem forward_problem(const Shared& d) {
  const Forward f = forward(*d, to_double(d->qkv));
  return {[d](ThreadPool& pool) {
            std::vector<float> out(d->d_out.size()), logsumexp = zeros(d->tokens() * d->s.heads);
            const Scratch scratch(attention_workspace(pool.threads(), d->s, d->tokens()));
            attention_forward(pool, d->s, d->sequences, d->qkv.data(), d->ld, out.data(), d->ld_out,
                              logsumexp.data(), d->dropout, scratch);
            return Outputs{out, logsumexp};
          },
          {{f.out, 5e-6}, {f.logsumexp, 5e-6}},
          d->parallel()};
}

Problem backward_problem(const Shared& d) {
  const Vector qkv = to_double(d->qkv), dy = to_double(d->d_out);
  const Forward f = forward(*d, qkv);
  Vector gradient(qkv.size());
  reference::attention_backward(d->s, d->sequences, qkv.data(), d->ld, dy.data(), d->ld_out, gradient.data(),
                                d->ld, d->dropout);
  check_gradient(qkv, gradient, [&](const Vector& v) { return dot(forward(*d, v).out, dy); });
  const std::vector<float> out(f.out.begin(), f.out.end()), logsumexp(f.logsumexp.begin(), f.logsumexp.end());
  return {[=](ThreadPool& pool) {
            std::vector<float> d_qkv(d->qkv.size());
            const Scratch scratch(attention_workspace(pool.threads(), d->s, d->tokens()));
            attention_backward(pool, d->s, d->sequences, d->qkv.data(), d->ld, out.data(), d->ld_out,
                               logsumexp.data(), d->d_out.data(), d->ld_out, d_qkv.data(), d->ld, d->dropout,
                               scratch);
            return Outputs{d_qkv};
          },
          {{gradient, 5e-6}},
          d->parallel()};
}

// The last queries of the first sequence against all its keys.
Problem append_problem(const Shared& d) {
  const AttentionShape& s = d->s;
  const i64 time = d->lengths[0], count = (time + 2) / 3, C = s.heads * s.head_dim;
  const Vector all = forward(*d, to_double(d->qkv)).out;
  Vector expected;
  for (i64 t = time - count; t < time; ++t) {
    expected.insert(expected.end(), all.begin() + t * d->ld_out, all.begin() + t * d->ld_out + C);
  }
  return {[=](ThreadPool& pool) {
            const AttentionShape& shape = d->s;
            std::vector<float> y = zeros(count * C);
            const Scratch scratch(attention_workspace(pool.threads(), shape, count));
            const float* const keys = d->qkv.data() + C;
            attention_append(pool, shape, time - count, count, d->qkv.data() + (time - count) * d->ld, d->ld, keys,
                             keys + shape.kv_heads * shape.head_dim, d->ld, y.data(), C, scratch);
            return Outputs{y};
          },
          {{expected, 5e-6}},
          s.heads >= 3};
}

// The last one alone.
Problem decode_problem(const Shared& d) {
  const AttentionShape& s = d->s;
  const i64 last = d->lengths[0] - 1;
  const Vector out = forward(*d, to_double(d->qkv)).out;
  const auto row = out.begin() + last * d->ld_out;
  return {[d, last](ThreadPool& pool) {
            const AttentionShape& shape = d->s;
            std::vector<float> y = zeros(shape.heads * shape.head_dim);
            const Scratch scratch(attention_decode_workspace(shape, last + 1));
            const float* const keys = d->qkv.data() + shape.heads * shape.head_dim;
            attention_decode(pool, shape, last + 1, d->qkv.data() + last * d->ld, keys,
                             keys + shape.kv_heads * shape.head_dim, d->ld, y.data(), scratch);
            return Outputs{y};
          },
          {{{row, row + s.heads * s.head_dim}, 5e-6}},
          s.heads >= 3};
}

}  // namespace

void add_attention_rows(Rows& rows) {
  struct Shape {
    std::vector<i64> lengths;
    i64 H, kv, D, window = 0;
    float softcap = 0;
  };
  const Shape shapes[] = {{{2}, 1, 1, 1},
                          {{5, 5}, 4, 2, 3},
                          {{7}, 2, 2, 4, 3},
                          {{33, 33}, 2, 2, 8},
                          {{100}, 1, 1, 20},
                          {{97}, 2, 1, 16, 40},
                          {{17}, 7, 1, 64},
                          {{9}, 2, 1, 80},
                          {{5}, 2, 1, 256},
                          {{6}, 1, 1, 128},
                          {{40, 40}, 4, 4, 12, 10, 1.5f},
                          {{33}, 14, 2, 8, 0, 20},
                          {{127}, 2, 2, 4, 31},
                          {{97, 97, 97}, 4, 2, 8},
                          // Lengths that differ: long and short heads side by side, one long among many.
                          {{1, 6, 3}, 2, 1, 5},
                          {{98, 1, 33}, 4, 2, 8},
                          {{30, 120, 2, 97}, 3, 3, 6, 50},
                          {{11, 1, 29, 4, 1}, 4, 2, 12, 7, 1.5f}};
  for (const Shape& p : shapes) {
    AttentionShape s{p.H, p.kv, p.D, p.window, 1.0f / std::sqrt(static_cast<float>(p.D))};
    s.softcap = p.softcap;
    std::string name = "T";
    for (const i64 length : p.lengths) name += std::to_string(length) + "_";
    name += "H" + std::to_string(p.H) + "_kv" + std::to_string(p.kv) + "_D" + std::to_string(p.D);
    if (p.window > 0) name += "_window" + std::to_string(p.window);
    if (p.softcap > 0) name += "_capped";
    for (const bool drops : {false, true}) {
      const auto data = [=, lengths = p.lengths] {
        return std::make_shared<const Data>(s, lengths, drops ? 0.3f : 0.0f);
      };
      const std::string row = name + (drops ? "_dropout" : "");
      rows.push_back({"attention_forward", row, [data] { return forward_problem(data()); }});
      rows.push_back({"attention_backward", row, [data] { return backward_problem(data()); }});
      if (drops) continue;
      rows.push_back({"attention_append", row, [data] { return append_problem(data()); }});
      rows.push_back({"attention_decode", row, [data] { return decode_problem(data()); }});
    }
  }
}

}  // namespace mft::kernels::test
