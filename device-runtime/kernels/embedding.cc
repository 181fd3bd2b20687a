#include "kernels/embedding.h"

#include "base/profile.h"
#include "kernels/check.h"
#include "kernels/parallel.h"
#include "kernels/simd/table.h"

namespace mft::kernels {
namespace {

void check_ids(i64 N, i64 C, const std::int32_t* ids, i64 rows) {
  check_that(N >= 0 && C > 0 && rows > 0, "kernels.shape", "embedding: impossible sizes");
  for (i64 n = 0; n < N; ++n) {
    if (ids[n] < 0 || ids[n] >= rows) {
      throw Failure("kernels.id", "embedding: id " + std::to_string(ids[n]) + " at position " +
                                      std::to_string(n) + " is outside a table of " + std::to_string(rows) +
                                      " rows");
    }
  }
}

}  // namespace

void embedding_forward(ThreadPool& pool, i64 N, i64 C, const std::int32_t* ids, Weights table_of, i64 rows,
                       float beta, float* out) {
  const profile::Timer timer(profile::Op::kEmbedding);
  check_ids(N, C, ids, rows);
  const Weights whole = table_of.with_columns(C);
  for_rows(pool, N, C, [&, &isa = table()](i64 begin, i64 end) {
    for (i64 n = begin; n < end; ++n) {
      isa.convert(whole.row(ids[n]), beta != 0.0f, out + n * C);
    }
  });
}

void embedding_backward(ThreadPool& pool, i64 N, i64 C, const std::int32_t* ids, const float* d_out, i64 rows,
                        float* d_table) {
  const profile::Timer timer(profile::Op::kEmbedding);
  check_ids(N, C, ids, rows);
  // A worker owns columns, so equal ids need no locks and come in order.
  for_columns(pool, C, [&, &isa = table()](i64 begin, i64 end) {
    for (i64 n = 0; n < N; ++n) {
      float* const row = d_table + ids[n] * C + begin;
      isa.add(end - begin, row, d_out + n * C + begin, row);
    }
  });
}

}  // namespace mft::kernels
