#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace mft::train {
namespace {

v1::OptimizerConfig config(v1::ScheduleKind kind, uint32_t warmup, float min_ratio) {
  v1::OptimizerConfig config;
  config.set_schedule(kind);
  config.set_learning_rate(2e-4f);
  config.set_warmup_steps(warmup);
  config.set_min_lr_ratio(min_ratio);
  return config;
}

TEST(Schedule, WarmsUpFromZero) {
  for (const v1::ScheduleKind kind : {v1::SCHEDULE_CONSTANT, v1::SCHEDULE_LINEAR, v1::SCHEDULE_COSINE}) {
    const auto c = config(kind, 4, 0.5f);
    for (uint32_t step = 0; step < 4; ++step) EXPECT_EQ(schedule_factor(c, step, 10), step / 4.0);
    EXPECT_EQ(schedule_factor(c, 4, 10), 1.0);
  }
}

TEST(Schedule, CosineFollowsTheLibraryAndEndsAtTheFloor) {
  const auto c = config(v1::SCHEDULE_COSINE, 7, 0.25f);
  for (uint32_t step = 7; step <= 1000; ++step) {
    const double expected = 0.25 + 0.75 * 0.5 * (1 + std::cos(M_PI * (step - 7) / 993.0));
    ASSERT_NEAR(schedule_factor(c, step, 1000), expected, 1e-15) << step;
  }
  EXPECT_NEAR(schedule_factor(c, 1000, 1000), 0.25, 1e-15);
  EXPECT_NEAR(schedule_factor(c, 5000, 1000), 0.25, 1e-15);  // past the end it does not come back up
}

TEST(Schedule, LinearEndsAtTheFloor) {
  const auto c = config(v1::SCHEDULE_LINEAR, 2, 0);
  EXPECT_EQ(schedule_factor(c, 7, 12), 0.5);
  EXPECT_EQ(schedule_factor(c, 12, 12), 0);
  EXPECT_EQ(schedule_factor(c, 13, 12), 0);
  EXPECT_EQ(schedule_factor(config(v1::SCHEDULE_LINEAR, 2, 0.5f), 7, 12), 0.75);
}

TEST(Schedule, NoStepsNoWarmUp) {
  EXPECT_EQ(schedule_factor(config(v1::SCHEDULE_LINEAR, 0, 0), 0, 1), 1);
  EXPECT_EQ(schedule_factor(config(v1::SCHEDULE_COSINE, 5, 0), 2, 3), 0.4);  // fewer steps than warm-up
  EXPECT_EQ(learning_rate(config(v1::SCHEDULE_CONSTANT, 0, 0), 9, 3), 2e-4f);
}

TEST(Schedule, WarmUpIsAPartOfAllStepsWhenNoStepsAreSaid) {
  v1::OptimizerConfig c = config(v1::SCHEDULE_LINEAR, 0, 0);
  c.set_warmup_ratio(0.03);
  EXPECT_EQ(warmup_steps(c, 100), 3u);
  EXPECT_EQ(warmup_steps(c, 101), 4u);  // math.ceil(101 * 0.03)
  EXPECT_EQ(warmup_steps(c, 1), 1u);
  EXPECT_EQ(schedule_factor(c, 2, 101), 0.5);
  EXPECT_EQ(schedule_factor(c, 4, 101), 1.0);
  c.set_warmup_ratio(0.1);
  EXPECT_EQ(warmup_steps(c, 1000), 100u);  // 0.1 as a float would make 101
  c.set_warmup_ratio(1);
  EXPECT_EQ(warmup_steps(c, 7), 7u);
  c.set_warmup_steps(5);
  EXPECT_EQ(warmup_steps(c, 101), 5u);
}

TEST(Schedule, UnknownKindIsAnError) {
  EXPECT_THROW(schedule_factor(config(v1::SCHEDULE_UNSPECIFIED, 0, 0), 1, 3), Failure);
}

}  // namespace
}  // namespace mft::train
