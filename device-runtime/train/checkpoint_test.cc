#include "train/checkpoint.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace mft::train {
namespace {

constexpr const char* kRun = "run";

// A checkpoint whose every value is its step.
std::uint64_t write_step(const std::string& checkpoints, std::uint32_t step, std::size_t elements = 4096) {
  const std::vector<float> values(elements, static_cast<float>(step));
  const std::vector<std::uint64_t> shape = {elements};
  v1::CheckpointManifest manifest;
  manifest.set_run_id(kRun);
  manifest.set_step(step);
  return write_checkpoint(
      checkpoint_folder(checkpoints, step), manifest,
      {{"adapter", {{"a", shape, values.data(), v1::DTYPE_F32}}}},
      {{"adapter.adam",
        {{"a.m", shape, values.data(), v1::DTYPE_F32}, {"a.v", shape, values.data(), v1::DTYPE_F32}}}});
}

// The step of the newest whole checkpoint; also checks that its values are what was written. -1: none.
int newest(const std::string& checkpoints, std::vector<std::uint32_t>* broken = nullptr) {
  const auto loaded = newest_checkpoint(checkpoints, kRun, [&](std::uint32_t step, const std::string&) {
    if (broken != nullptr) broken->push_back(step);
  });
  if (!loaded) return -1;
  for (const auto& files : {loaded->weights, loaded->optimizer}) {
    const auto segments = store::Segments::open(files, store::Residency::kMapped);
    const store::Pin pin = segments->pin(0);
    for (const store::TensorView& tensor : pin.tensors()) {
      for (std::uint64_t i = 0; i < tensor.elements; ++i) {
        float value;
        std::memcpy(&value, tensor.data + i * sizeof value, sizeof value);
        if (value != static_cast<float>(loaded->manifest.step()))
          ADD_FAILURE() << tensor.name << " is not of this step";
      }
    }
  }
  return static_cast<int>(loaded->manifest.step());
}

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> paths;
  for (const std::string& name : list_directory(folder)) paths.push_back(folder + "/" + name);
  return paths;
}

TEST(Checkpoint, ComesBackAsItWasWritten) {
  TestFolder folder;
  EXPECT_EQ(newest(folder / "checkpoints"), -1);
  EXPECT_GT(write_step(folder / "checkpoints", 5), 3u * 4096 * 4);
  write_step(folder / "checkpoints", 10);
  EXPECT_EQ(newest(folder / "checkpoints"), 10);
  EXPECT_EQ(list_checkpoints(folder / "checkpoints"), (std::vector<std::uint32_t>{5, 10}));
  write_step(folder / "checkpoints", 10);  // again: takes the place of the other
  EXPECT_EQ(newest(folder / "checkpoints"), 10);
  EXPECT_EQ(list_directory(folder / "checkpoints").size(), 2u);
}

TEST(Checkpoint, AnyDamageIsSeenAndTheOneBeforeIsUsed) {
  TestFolder folder;
  const std::string all = folder / "checkpoints";
  write_step(all, 5, 64);
  write_step(all, 10, 64);
  for (const std::string& path : files_of(checkpoint_folder(all, 10))) {
    const std::string good = read_all(path, 10 << 20);
    const std::string damages[] = {"", good.substr(0, good.size() - 1), good + "x"};
    for (const std::string& bad : damages) {
      write_atomically(path, bad);
      std::vector<std::uint32_t> broken;
      EXPECT_EQ(newest(all, &broken), 5) << path << " of " << bad.size() << " bytes";
      EXPECT_EQ(broken, std::vector<std::uint32_t>{10});
    }
    for (std::size_t at = 0; at < good.size(); at += 1 + good.size() / 97) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 0x10);
      write_atomically(path, bad);
      EXPECT_EQ(newest(all), 5) << path << " changed at " << at;
    }
    remove_file(path);
    EXPECT_EQ(newest(all), 5) << path << " is gone";
    write_atomically(path, good);
    EXPECT_EQ(newest(all), 10);
  }
}

TEST(Checkpoint, OfAnotherRunOrAnotherStepIsBroken) {
  TestFolder folder;
  write_step(folder / "c", 5);
  rename_path(folder / "c/5", folder / "c/6");
  std::vector<std::uint32_t> broken;
  EXPECT_EQ(newest(folder / "c", &broken), -1);
  EXPECT_EQ(broken, std::vector<std::uint32_t>{6});
  EXPECT_THROW(read_checkpoint(folder / "c/6", "other"), Failure);
}

TEST(Checkpoint, KeepsTheLast) {
  TestFolder folder;
  const std::string all = folder / "c";
  for (std::uint32_t step = 1; step <= 6; ++step) write_step(all, step, 16);
  make_directory(all + "/.7.tmp");
  remove_checkpoints_but(all, {2, 3, 5, 6, 9});
  EXPECT_EQ(list_directory(all), (std::vector<std::string>{"2", "3", "5", "6"}));
  prune_checkpoints(all, 2);
  EXPECT_EQ(list_directory(all), (std::vector<std::string>{"5", "6"}));
  prune_checkpoints(all, 0);
  EXPECT_EQ(list_directory(all), (std::vector<std::string>{"6"}));
}

TEST(Checkpoint, SegmentNamesDoNotLeadOutOfTheFolder) {
  TestFolder folder;
  const float value = 1;
  for (const char* name : {"../x", ".hidden", "", "a/b"}) {
    v1::CheckpointManifest manifest;
    EXPECT_THROW(
        write_checkpoint(folder / "c/1", manifest, {{name, {{"a", {1}, &value, v1::DTYPE_F32}}}}, {}),
        Failure);
  }
  EXPECT_EQ(list_directory(folder / "c"), std::vector<std::string>{});
}

TEST(Checkpoint, AFullDiskLeavesTheOneBeforeAndNoHalves) {
  TestFolder folder;
  const std::string all = folder / "c";
  write_step(all, 5);
  ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const struct rlimit small = {100'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string code;
  try {
    write_step(all, 10, 1 << 16);
  } catch (const Failure& failure) {
    code = failure.code();
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, SIG_DFL);
  EXPECT_EQ(code, "io.disk-full");
  EXPECT_EQ(newest(all), 5);
  EXPECT_EQ(list_directory(all), std::vector<std::string>{"5"});
}

// A child writes and prunes checkpoints as fast as it can and is killed at a random moment, again and again:
// there is always a whole one, and it is never older than the one before last.
TEST(Checkpoint, AKillAtAnyMomentLeavesAWholeOne) {
  TestFolder folder;
  const std::string all = folder / "c";
  write_step(all, 1, 256);
  std::mt19937 random(20240);
  int before = 1;
  for (int kill = 0; kill < 60 || (before < 20 && kill < 1000); ++kill) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (std::uint32_t step = static_cast<std::uint32_t>(before) + 1;; ++step) {
        write_step(all, step, 256);
        prune_checkpoints(all, 1);
      }
    }
    // On a disk so busy that nothing is ever written in that time, the children live longer.
    ::usleep(static_cast<useconds_t>(random() % (20'000 * (1 + static_cast<unsigned>(kill) / 60))));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    const int now = newest(all);
    ASSERT_GE(now, before);
    before = now;
  }
  EXPECT_GE(before, 20);  // the children did get somewhere
}

}  // namespace
}  // namespace mft::train
