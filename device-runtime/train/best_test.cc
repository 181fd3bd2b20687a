#include "train/best.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace mft::train {
namespace {

TEST(BestEvaluation, CountsEvaluationsSinceAStrictlyLowerLoss) {
  BestEvaluation best;
  EXPECT_FALSE(best.exhausted(1));
  EXPECT_TRUE(best.take(10, 2.0f));
  EXPECT_FALSE(best.take(20, 2.0f));  // equal
  EXPECT_EQ(best.since, 1u);
  EXPECT_TRUE(best.exhausted(1));
  EXPECT_FALSE(best.exhausted(2));
  EXPECT_FALSE(best.exhausted(0));
  EXPECT_TRUE(best.take(30, std::nextafter(2.0f, 0.0f)));
  EXPECT_EQ(best.step, 30u);
  EXPECT_EQ(best.since, 0u);
}

TEST(BestEvaluation, ALossThatIsNoNumberIsNeverTheBest) {
  BestEvaluation best;
  EXPECT_FALSE(best.take(1, std::numeric_limits<float>::quiet_NaN()));
  EXPECT_FALSE(best.take(2, std::numeric_limits<float>::infinity()));
  EXPECT_FALSE(best.step);
  EXPECT_EQ(best.since, 2u);
  EXPECT_TRUE(best.take(3, 100.0f));
  EXPECT_FALSE(best.take(4, std::numeric_limits<float>::quiet_NaN()));
  EXPECT_EQ(best.step, 3u);
}

TEST(BestEvaluation, ACheckpointKeepsIt) {
  BestEvaluation best;
  best.take(10, 2.0f);
  best.take(20, 3.0f);
  v1::CheckpointManifest manifest;
  best.describe(manifest);
  BestEvaluation restored;
  restored.take(99, 0.5f);
  restored.restore(manifest);
  EXPECT_EQ(restored.step, 10u);
  EXPECT_EQ(restored.loss, 2.0f);
  EXPECT_EQ(restored.since, 1u);
  restored.restore(v1::CheckpointManifest());
  EXPECT_FALSE(restored.step);
  EXPECT_EQ(restored.since, 0u);
}

constexpr std::size_t kElements = 64;

void put(BestWeights& best, std::uint32_t step) {
  const std::vector<float> values(kElements, static_cast<float>(step));
  v1::CheckpointManifest manifest;
  manifest.set_run_id("run-1");
  manifest.set_step(step);
  best.put(step, manifest, {{"adapter", {{"a", {kElements}, values.data(), v1::DTYPE_F32}}}});
}

float value_of(const BestWeights& best, std::uint32_t step) {
  const LoadedCheckpoint loaded = best.open(step);
  const auto segments = store::Segments::open(loaded.weights, store::Residency::kMapped);
  return segments->pin(0).f32("a", {kElements})[kElements - 1];
}

TEST(BestWeights, KeepsTheNewestAndTheOneThatTheCheckpointSpeaksOf) {
  TestFolder folder;
  BestWeights best(folder / "best", "run-1");
  put(best, 10);
  put(best, 20);
  EXPECT_EQ(list_directory(folder / "best"), std::vector<std::string>{"20"});
  best.keep_only(20);
  put(best, 30);
  put(best, 40);
  EXPECT_EQ(list_directory(folder / "best"), (std::vector<std::string>{"20", "40"}));
  EXPECT_EQ(value_of(best, 20), 20);
  EXPECT_EQ(value_of(best, 40), 40);
  best.keep_only(std::nullopt);
  EXPECT_TRUE(list_directory(folder / "best").empty());
}

TEST(BestWeights, AreVerifiedWhenTheyAreUsed) {
  TestFolder folder;
  BestWeights best(folder / "best", "run-1");
  put(best, 10);
  const std::string file = folder / "best/10/adapter.bin";
  std::string bytes = read_all(file, 1 << 20);
  bytes[5] = static_cast<char>(bytes[5] ^ 1);
  write_atomically(file, bytes);
  EXPECT_THROW(best.open(10), Failure);
  EXPECT_THROW(best.open(20), Failure);
  put(best, 10);
  EXPECT_EQ(value_of(best, 10), 10);
  rename_path(folder / "best/10", folder / "best/30");
  EXPECT_THROW(best.open(30), Failure);
}

// A child finds ever better steps, with a checkpoint after every third, and is killed at a random moment: the
// best that the checkpoint speaks of is always there and whole.
TEST(BestWeights, AKillAtAnyMomentLeavesTheOneThatTheCheckpointSpeaksOf) {
  TestFolder folder;
  const std::string checkpoint = folder / "checkpoint";
  std::mt19937 random(7);
  std::uint32_t from = 0;
  for (int kill = 0; kill < 40 || (from < 12 && kill < 1000); ++kill) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      BestWeights best(folder / "best", "run-1");
      best.keep_only(from == 0 ? std::nullopt : std::optional(from));
      for (std::uint32_t step = from + 1;; ++step) {
        put(best, step);
        if (step % 3 != 0) continue;
        write_atomically(checkpoint, std::to_string(step));
        best.keep_only(step);
      }
    }
    ::usleep(static_cast<useconds_t>(random() % (20'000 * (1 + static_cast<unsigned>(kill) / 40))));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    if (!stat_path(checkpoint)) continue;
    from = static_cast<std::uint32_t>(std::stoul(read_all(checkpoint, 100)));
    ASSERT_EQ(value_of(BestWeights(folder / "best", "run-1"), from), static_cast<float>(from));
  }
  EXPECT_GE(from, 12u);  // the children did get somewhere
}

}  // namespace
}  // namespace mft::train
