// What the table of ops does not cover.
#include "kernels/query_key.h"

#include "kernels/rope.h"
#include "kernels/test_support.h"

namespace mft::kernels::test {
namespace {

TEST(QueryKey, RefusesPositionsOutsideTheTable) {
  const QueryKeyShape shape{5, 2, 1, 6};
  ThreadPool pool(1);
  std::vector<float> qkv = random_vector(shape.rows * shape.width(), 1), table(static_cast<std::size_t>(4 * shape.head_dim));
  rope_table(4, shape.head_dim, {}, table.data());
  for (const std::int32_t bad : {-1, 4}) {
    const std::vector<std::int32_t> positions = {0, 1, 2, bad, 3};
    EXPECT_ANY_THROW(query_key_forward(pool, shape, {}, {table.data(), 4, positions.data()}, qkv.data(), qkv.data(),
                                       nullptr));
  }
}

}  // namespace
}  // namespace mft::kernels::test
