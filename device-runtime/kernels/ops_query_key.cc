// Rows of query_key_*: norm and rotation of the heads of q and k.
#include <memory>

#include "kernels/gradient_check.h"
#include "kernels/ops_table.h"
#include "kernels/query_key.h"
#include "kernels/reference/query_key.h"
#include "kernels/rope.h"

namespace mft::kernels::test {
namespace {

using Vector = std::vector<double>;

struct Heads {
  Heads(const QueryKeyShape& shape, bool norms, bool plus_one, bool turns)
      : s(shape),
        qkv(random_vector(s.rows * s.width(), 1, 2.0f)),
        dy(random_vector(s.rows * s.width(), 2)),
        q_weight(random_vector(s.head_dim, 3)),
        k_weight(random_vector(s.head_dim, 4)),
        d_weight(random_vector(s.head_dim, 5)),
        table(zeros(kPositions * s.head_dim)) {
    if (norms) norm = {q_weight.data(), k_weight.data(), plus_one, 1e-5f};
    for (i64 n = 0; n < s.rows; ++n) positions.push_back(static_cast<std::int32_t>(n * 7 % kPositions));
    if (!turns) return;
    rope_table(kPositions, s.head_dim, {}, table.data());
    rotation = {table.data(), kPositions, positions.data()};
  }
  Heads(const Heads&) = delete;  // norm and rotation point into it

  static constexpr i64 kPositions = 50;
  QueryKeyShape s;
  std::vector<float> qkv, dy, q_weight, k_weight, d_weight, table;
  std::vector<std::int32_t> positions;
  QueryKeyNorm norm;
  QueryKeyRotation rotation;

  i64 norms() const { return s.rows * (s.heads + s.kv_heads); }
  bool has_norm() const { return norm.q_weight != nullptr; }
  bool parallel() const { return s.rows * s.width() >= 60000; }
};
using Shared = std::shared_ptr<const Heads>;

Vector forward(const Heads& h, const Vector& qkv, const Vector& q, const Vector& k) {
  const reference::QueryKey<double> oracle{h.s,
                                           h.has_norm() ? q.data() : nullptr,
                                           k.data(),
                                           h.norm.plus_one,
                                           static_cast<double>(h.norm.eps),
                                           h.rotation};
  Vector out(qkv.size());
  oracle.forward(qkv.data(), out.data());
  return out;
}

Vector exact_rstd(const Heads& h) {
  Vector rstd;
  for (i64 n = 0; n < h.s.rows; ++n) {
    for (i64 i = 0; i < h.s.heads + h.s.kv_heads; ++i) {
      double squares = 0;
      for (i64 d = 0; d < h.s.head_dim; ++d) {
        const auto at = static_cast<std::size_t>(n * h.s.width() + i * h.s.head_dim + d);
        squares += static_cast<double>(h.qkv[at]) * static_cast<double>(h.qkv[at]);
      }
      rstd.push_back(1 / std::sqrt(squares / static_cast<double>(h.s.head_dim) + static_cast<double>(h.norm.eps)));
    }
  }
  return rstd;
}

Problem forward_problem(const Shared& h) {
  const Vector out = forward(*h, to_double(h->qkv), to_double(h->q_weight), to_double(h->k_weight));
  const Vector rstd = h->has_norm() ? exact_rstd(*h) : zeros<double>(h->norms());
  return {[h](ThreadPool& pool) {
            std::vector<float> apart(h->qkv.size()), in_place = h->qkv, saved = zeros(h->norms());
            query_key_forward(pool, h->s, h->norm, h->rotation, h->qkv.data(), apart.data(), saved.data());
            query_key_forward(pool, h->s, h->norm, h->rotation, in_place.data(), in_place.data(), saved.data());
            return Outputs{apart, in_place, saved};
          },
          {{out, 2e-6}, {out, 2e-6}, {rstd, 2e-6}},
          h->parallel()};
}

Problem backward_problem(const Shared& h, bool trained) {
  const Vector qkv = to_double(h->qkv), q = to_double(h->q_weight), k = to_double(h->k_weight),
               dy = to_double(h->dy);
  const reference::QueryKey<double> oracle{h->s,
                                           h->has_norm() ? q.data() : nullptr,
                                           k.data(),
                                           h->norm.plus_one,
                                           static_cast<double>(h->norm.eps),
                                           h->rotation};
  Vector d = dy, dq(q.size()), dk(k.size());
  oracle.backward(qkv.data(), d.data(), dq.data(), dk.data());
  const auto loss = [&](const Vector& x, const Vector& wq, const Vector& wk) { return dot(forward(*h, x, wq, wk), dy); };
  check_gradient(qkv, d, [&](const Vector& v) { return loss(v, q, k); });
  if (h->has_norm()) {
    check_gradient(q, dq, [&](const Vector& v) { return loss(qkv, v, k); });
    check_gradient(k, dk, [&](const Vector& v) { return loss(qkv, q, v); });
  }
  const bool adds = trained && h->has_norm();
  for (std::size_t i = 0; i < dq.size(); ++i) {
    dq[i] = static_cast<double>(h->d_weight[i]) + (adds ? dq[i] : 0.0);
    dk[i] = static_cast<double>(h->d_weight[i]) + (adds ? dk[i] : 0.0);
  }
  const Vector rstd = exact_rstd(*h);
  const std::vector<float> saved(rstd.begin(), rstd.end());
  return {[h, adds, saved](ThreadPool& pool) {
            std::vector<float> out = h->dy, gq = h->d_weight, gk = h->d_weight;
            query_key_backward(pool, h->s, h->norm, h->rotation, h->qkv.data(), saved.data(), out.data(),
                               adds ? gq.data() : nullptr, adds ? gk.data() : nullptr);
            return Outputs{out, gq, gk};
          },
          {{d, 5e-6}, {dq, 5e-6}, {dk, 5e-6}},
          h->parallel()};
}

}  // namespace

void add_query_key_rows(Rows& rows) {
  constexpr QueryKeyShape kShapes[] = {{1, 1, 1, 2}, {3, 2, 1, 4}, {5, 14, 2, 6}, {9, 3, 3, 34}, {2, 2, 1, 256},
                                       {130, 4, 2, 66}};
  constexpr struct {
    const char* name;
    bool norm, plus_one, turns;
  } kKinds[] = {{"turn", false, false, true},
                {"norm", true, false, false},
                {"norm_turn", true, false, true},
                {"norm_plus_one_turn", true, true, true}};
  for (const QueryKeyShape& s : kShapes) {
    for (const auto& kind : kKinds) {
      const std::string name = std::to_string(s.rows) + "x" + std::to_string(s.heads) + "x" +
                               std::to_string(s.kv_heads) + "x" + std::to_string(s.head_dim) + "_" + kind.name;
      const auto heads = [=] { return std::make_shared<const Heads>(s, kind.norm, kind.plus_one, kind.turns); };
      rows.push_back({"query_key_forward", name, [heads] { return forward_problem(heads()); }});
      for (const bool trained : {false, true}) {
        if (trained && !kind.norm) continue;
        rows.push_back({"query_key_backward", name + (trained ? "_trained" : ""),
                        [heads, trained] { return backward_problem(heads(), trained); }});
      }
    }
  }
}

}  // namespace mft::kernels::test
