#include "base/profile.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>

namespace mft::profile {
namespace {

const Entry& of(const Report& report, Op op) { return report[static_cast<std::size_t>(op)]; }

TEST(Profile, OutermostTimerCounts) {
  start();
  {
    const Timer head(Op::kHead);
    const Timer product(Op::kGemm);
    count_flops(10);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  {
    const Timer product(Op::kGemm);
    count_flops(5);
  }
  const Report report = stop();
  EXPECT_EQ(of(report, Op::kHead).calls, 1u);
  EXPECT_EQ(of(report, Op::kHead).flops, 10);
  EXPECT_GE(of(report, Op::kHead).seconds, 1e-3);
  EXPECT_EQ(of(report, Op::kGemm).calls, 1u);
  EXPECT_EQ(of(report, Op::kGemm).flops, 5);
}

TEST(Profile, CountsNothingWhenOffAndForgetsOnStart) {
  start();
  stop();
  {
    const Timer timer(Op::kNorm);
    count_flops(1);
  }
  start();
  const Report report = stop();
  for (const Entry& entry : report) {
    EXPECT_EQ(entry.calls, 0u);
    EXPECT_EQ(entry.flops, 0);
  }
}

TEST(Profile, NamesAreDistinct) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < kOps; ++i) names.insert(op_name(static_cast<Op>(i)));
  EXPECT_EQ(names.size(), kOps);
}

}  // namespace
}  // namespace mft::profile
