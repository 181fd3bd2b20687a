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
  Data(const AttentionShape& shape, float probability)
      : s(shape),
        width((s.heads + 2 * s.kv_heads) * s.head_dim),
        ld(width + 5),
        ld_out(s.heads * s.head_dim + 3),
        qkv(random_vector(s.batch * s.time * ld, 1, 2.0f)),
        d_out(random_vector(s.batch * s.time * ld_out, 2)) {
    dropout.seed = 99;
    dropout.step = 3;
    dropout.layer = 1;
    dropout.probability = probability;
  }
  AttentionShape s;
  i64 width, ld, ld_out;
  std::vector<float> qkv, d_out;
  DropoutSite dropout;

  i64 queries() const { return s.batch * s.heads * s.time; }
  // Tiles have 96 rows of a head; the backward goes by key/value heads.
  bool parallel() const { return s.batch * s.kv_heads >= 3; }
};
using Shared = std::shared_ptr<const Data>;

struct Forward {
  Vector out, logsumexp;
};
Forward forward(const Data& d, const Vector& qkv) {
  Forward f{Vector(d.d_out.size()), zeros<double>(d.queries())};
  reference::attention_forward(d.s, qkv.data(), d.ld, f.out.data(), d.ld_out, f.logsumexp.data(), d.dropout);
  return f;
}

Problem forward_problem(const Shared& d) {
  const Forward f = forward(*d, to_double(d->qkv));
  return {[d](ThreadPool& pool) {
            std::vector<float> out(d->d_out.size()), logsumexp = zeros(d->queries());
            const Scratch scratch(attention_workspace(pool.threads(), d->s));
            attention_forward(pool, d->s, d->qkv.data(), d->ld, out.data(), d->ld_out, logsumexp.data(), d->dropout,
                              scratch);
            return Outputs{out, logsumexp};
          },
          {{f.out, 5e-6}, {f.logsumexp, 5e-6}},
          d->parallel()};
}

Problem backward_problem(const Shared& d) {
  const Vector qkv = to_double(d->qkv), dy = to_double(d->d_out);
  const Forward f = forward(*d, qkv);
  Vector gradient(qkv.size());
  reference::attention_backward(d->s, qkv.data(), d->ld, dy.data(), d->ld_out, gradient.data(), d->ld, d->dropout);
  check_gradient(qkv, gradient, [&](const Vector& v) { return dot(forward(*d, v).out, dy); });
  const std::vector<float> out(f.out.begin(), f.out.end()), logsumexp(f.logsumexp.begin(), f.logsumexp.end());
  return {[=](ThreadPool& pool) {
            std::vector<float> d_qkv(d->qkv.size());
            const Scratch scratch(attention_workspace(pool.threads(), d->s));
            attention_backward(pool, d->s, d->qkv.data(), d->ld, out.data(), d->ld_out, logsumexp.data(),
                               d->d_out.data(), d->ld_out, d_qkv.data(), d->ld, d->dropout, scratch);
            return Outputs{d_qkv};
          },
          {{gradient, 5e-6}},
          d->parallel()};
}

// The last query of the first sequence against all its keys.
Problem decode_problem(const Shared& d) {
  const AttentionShape& s = d->s;
  const i64 last = s.time - 1;
  const Vector out = forward(*d, to_double(d->qkv)).out;
  const auto row = out.begin() + last * d->ld_out;
  return {[d, last](ThreadPool& pool) {
            const AttentionShape& shape = d->s;
            std::vector<float> y = zeros(shape.heads * shape.head_dim);
            const Scratch scratch(attention_decode_workspace(shape, shape.time));
            const float* const keys = d->qkv.data() + shape.heads * shape.head_dim;
            attention_decode(pool, shape, shape.time, d->qkv.data() + last * d->ld, keys,
                             keys + shape.kv_heads * shape.head_dim, d->ld, y.data(), scratch);
            return Outputs{y};
          },
          {{{row, row + s.heads * s.head_dim}, 5e-6}},
          s.heads >= 3};
}

}  // namespace

void add_attention_rows(Rows& rows) {
  constexpr struct {
    i64 B, T, H, kv, D, window = 0;
    float softcap = 0;
  } kShapes[] = {{1, 2, 1, 1, 1},        {2, 5, 4, 2, 3},      {1, 7, 2, 2, 4, 3},   {2, 33, 2, 2, 8},
                 {1, 100, 1, 1, 20},     {1, 97, 2, 1, 16, 40}, {1, 17, 7, 1, 64},   {1, 9, 2, 1, 80},
                 {1, 5, 2, 1, 256},      {1, 6, 1, 1, 128},    {2, 40, 4, 4, 12, 10, 1.5f},
                 {1, 33, 14, 2, 8, 0, 20}, {1, 127, 2, 2, 4, 31}, {3, 97, 4, 2, 8}};
  for (const auto& p : kShapes) {
    AttentionShape s{p.B, p.T, p.H, p.kv, p.D, p.window, 1.0f / std::sqrt(static_cast<float>(p.D))};
    s.softcap = p.softcap;
    std::string name = "B" + std::to_string(p.B) + "_T" + std::to_string(p.T) + "_H" + std::to_string(p.H) + "_kv" +
                       std::to_string(p.kv) + "_D" + std::to_string(p.D);
    if (p.window > 0) name += "_window" + std::to_string(p.window);
    if (p.softcap > 0) name += "_capped";
    for (const bool drops : {false, true}) {
      const auto data = [=] { return std::make_shared<const Data>(s, drops ? 0.3f : 0.0f); };
      const std::string row = name + (drops ? "_dropout" : "");
      rows.push_back({"attention_forward", row, [data] { return forward_problem(data()); }});
      rows.push_back({"attention_backward", row, [data] { return backward_problem(data()); }});
      if (!drops) rows.push_back({"attention_decode", row, [data] { return decode_problem(data()); }});
    }
  }
}

}  // namespace mft::kernels::test
