#include "text/permutation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace mft {
namespace {

std::vector<std::uint64_t> order(std::uint64_t n, std::uint64_t seed, std::uint64_t epoch) {
  std::vector<std::uint64_t> out(n);
  for (std::uint64_t i = 0; i < n; ++i) out[i] = shuffle_row(i, n, seed, epoch);
  return out;
}

TEST(Permutation, IsOneForEveryLength) {
  for (std::uint64_t n = 1; n <= 300; ++n) {
    std::vector<std::uint64_t> rows = order(n, n, 1);
    std::sort(rows.begin(), rows.end());
    for (std::uint64_t i = 0; i < n; ++i) ASSERT_EQ(rows[i], i) << n;
  }
  std::vector<std::uint64_t> rows = order(100003, 42, 0);
  std::sort(rows.begin(), rows.end());
  for (std::uint64_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i], i);
}

TEST(Permutation, DiffersBySeedAndEpochAndMixes) {
  const auto first = order(1000, 42, 0);
  const auto second = order(1000, 42, 1);
  const auto other = order(1000, 43, 0);
  EXPECT_NE(first, second);
  EXPECT_NE(first, other);
  int fixed = 0;
  int neighbours = 0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    fixed += first[i] == i ? 1 : 0;
    neighbours += i > 0 && first[i] == first[i - 1] + 1 ? 1 : 0;
  }
  EXPECT_LT(fixed, 10);  // 1 is to be expected
  EXPECT_LT(neighbours, 10);
}

// A resumed run depends on these for ever.
TEST(Permutation, KeepsItsOrder) {
  EXPECT_EQ(order(10, 42, 0), (std::vector<std::uint64_t>{2, 1, 0, 5, 8, 6, 7, 9, 4, 3}));
  EXPECT_EQ(shuffle_row(123456789, std::uint64_t{1} << 40, 7, 3), 939067551994u);
}

}  // namespace
}  // namespace mft
