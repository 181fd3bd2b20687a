// Rows of embedding_*: tables in every storage type.
#include <memory>

#include "kernels/embedding.h"
#include "kernels/gradient_check.h"
#include "kernels/ops_table.h"
#include "kernels/reference/rows.h"
#include "kernels/stored_weights.h"

namespace mft::kernels::test {
namespace {

using Vector = std::vector<double>;

std::vector<std::int32_t> random_ids(i64 N, i64 rows) {
  std::vector<std::int32_t> ids;
  Random random(1);
  for (i64 n = 0; n < N; ++n) ids.push_back(static_cast<std::int32_t>(random.below(rows)));
  return ids;
}

Problem lookup_problem(DType dtype, i64 N, i64 C, i64 rows, float beta) {
  const std::vector<std::int32_t> ids = random_ids(N, rows);
  const auto table = std::make_shared<StoredWeights>(stored_weights(dtype, rows, C, 2));
  const std::vector<float> start = random_vector(N * C, 3);
  const Vector values = to_double(table->values);
  Vector out = to_double(start);
  reference::embedding_forward(N, C, ids.data(), values.data(), static_cast<double>(beta), out.data());
  return {[=](ThreadPool& pool) {
            std::vector<float> y = start;
            embedding_forward(pool, N, C, ids.data(), *table, rows, beta, y.data());
            return Outputs{y};
          },
          {{out, beta == 0.0f ? 0.0 : 1e-7}},
          N * C >= 3 * 16384};
}

Problem lookup_gradient(i64 N, i64 C, i64 rows) {
  const std::vector<std::int32_t> ids = random_ids(N, rows);
  const std::vector<float> d_out = random_vector(N * C, 2), start = random_vector(rows * C, 3);
  const Vector exact = to_double(d_out);
  Vector gradient(start.size());
  reference::embedding_backward(N, C, ids.data(), exact.data(), gradient.data());
  check_gradient(to_double(start), gradient, [&](const Vector& v) {
    Vector y(exact.size());
    reference::embedding_forward(N, C, ids.data(), v.data(), 0.0, y.data());
    return dot(y, exact);
  });
  for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] += static_cast<double>(start[i]);
  return {[=](ThreadPool& pool) {
            std::vector<float> d_table = start;
            embedding_backward(pool, N, C, ids.data(), d_out.data(), rows, d_table.data());
            return Outputs{d_table};
          },
          {{gradient, 1e-6}},
          C >= 3 * 64};
}

}  // namespace

void add_embedding_rows(Rows& rows) {
  constexpr struct {
    i64 N, C, rows;
  } kShapes[] = {{1, 1, 1}, {3, 15, 2}, {20, 33, 7}, {50, 65, 37}, {170, 301, 11}};
  for (const auto& s : kShapes) {
    const std::string name = std::to_string(s.N) + "x" + std::to_string(s.C) + "of" + std::to_string(s.rows);
    for (const DType dtype : kStorageTypes) {
      for (const float beta : {0.0f, 1.0f}) {
        rows.push_back({"embedding_forward", name + "_" + storage_name(dtype) + (beta == 0.0f ? "" : "_add"),
                        [=] { return lookup_problem(dtype, s.N, s.C, s.rows, beta); }});
      }
    }
    rows.push_back({"embedding_backward", name, [=] { return lookup_gradient(s.N, s.C, s.rows); }});
  }
}

}  // namespace mft::kernels::test
