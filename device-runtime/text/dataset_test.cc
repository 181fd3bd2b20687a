#include "text/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "base/error.h"
#include "base/test_folder.h"
#include "text/test_tokens.h"

namespace mft {
namespace {

using Ids = std::vector<std::int32_t>;

class DatasetTest : public testing::Test {
 protected:
  TestFolder folder_;
  int files_ = 0;

  TokenFile counting(std::uint64_t count, bool wide = false) { return counting_file(next_path(), count, wide); }
  TokenFile records(std::size_t count) {
    std::vector<TestRecord> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back({{static_cast<std::int32_t>(i), 7, 8}, ""});
    return record_file(next_path(), all);
  }
  std::string next_path() { return folder_ / std::to_string(files_++); }
};

std::string error_of(const std::function<void()>& action, const std::string& code) {
  try {
    action();
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), code);
    return failure.what();
  }
  return "no error";
}

TEST_F(DatasetTest, RowsAndTargets) {
  const Dataset data(counting(11), 0, {4, 100});
  EXPECT_EQ(data.train().rows(), 2u);
  EXPECT_EQ(data.validation().rows(), 0u);
  Batch batch;
  data.fill_train(0, 2, false, 0, batch);
  EXPECT_EQ(batch.tokens, (Ids{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(batch.targets, (Ids{1, 2, 3, 4, 5, 6, 7, 8}));  // 8 is in the tail that is no row
  EXPECT_EQ(batch.labels, 8u);
}

TEST_F(DatasetTest, TheLastTargetOfTheStreamIsNone) {
  const Dataset data(counting(8, true), 0, {4, 100});
  Batch batch;
  data.fill_train(1, 1, false, 0, batch);
  EXPECT_EQ(batch.tokens, (Ids{4, 5, 6, 7}));
  EXPECT_EQ(batch.targets, (Ids{5, 6, 7, kNoTarget}));
  EXPECT_EQ(batch.labels, 3u);
}

TEST_F(DatasetTest, ValidationIsTheTailAndTrainDoesNotSeeIt) {
  const Dataset data(counting(100), 0.2, {4, 100});
  EXPECT_EQ(data.train().tokens(), 80u);
  EXPECT_EQ(data.validation().tokens(), 20u);
  Batch batch;
  data.fill_train(19, 1, false, 0, batch);
  EXPECT_EQ(batch.tokens, (Ids{76, 77, 78, 79}));
  EXPECT_EQ(batch.targets, (Ids{77, 78, 79, kNoTarget}));
  fill_in_order(data.validation(), 3, 4, batch);
  EXPECT_EQ(batch.starts, (std::vector<std::uint32_t>{0, 4, 8}));  // fewer at the end
  EXPECT_EQ(batch.tokens, (Ids{92, 93, 94, 95, 96, 97, 98, 99}));
  EXPECT_EQ(batch.targets.back(), kNoTarget);
  EXPECT_EQ(batch.labels, 7u);
  fill_in_order(data.validation(), 5, 4, batch);
  EXPECT_TRUE(batch.tokens.empty());
  EXPECT_EQ(batch.starts, std::vector<std::uint32_t>{0});
}

TEST_F(DatasetTest, ValidationFromItsOwnFile) {
  const Dataset data(counting(40), counting(12), {4, 100});
  EXPECT_EQ(data.train().rows(), 10u);
  EXPECT_EQ(data.validation().rows(), 3u);
}

TEST_F(DatasetTest, EveryEpochHasEveryRowOnceInAnotherOrder) {
  const Dataset data(counting(400), 0, {4, 400});
  const auto epoch = [&](std::uint64_t number, std::uint64_t seed) {
    Ids firsts;
    Batch batch;
    for (std::uint64_t row = 0; row < 100; row += 4) {
      data.fill_train(number * 100 + row, 4, true, seed, batch);
      for (std::size_t i = 0; i < 16; i += 4) firsts.push_back(batch.tokens[i]);
    }
    return firsts;
  };
  const Ids first = epoch(0, 1);
  const Ids second = epoch(1, 1);
  EXPECT_EQ(std::set<std::int32_t>(first.begin(), first.end()).size(), 100u);
  EXPECT_EQ(std::set<std::int32_t>(second.begin(), second.end()).size(), 100u);
  EXPECT_NE(first, second);
  EXPECT_NE(first, epoch(0, 2));
  EXPECT_EQ(first, epoch(0, 1));
}

TEST_F(DatasetTest, ABatchMayCrossEpochsAndTheCursorIsAllThereIs) {
  const Dataset data(counting(40), 0, {4, 400});
  Batch across;
  Batch one;
  data.fill_train(8, 5, true, 3, across);
  for (std::uint32_t i = 0; i < 5; ++i) {
    data.fill_train(8 + i, 1, true, 3, one);
    EXPECT_TRUE(std::equal(one.tokens.begin(), one.tokens.end(), across.tokens.begin() + 4 * i));
    EXPECT_TRUE(std::equal(one.targets.begin(), one.targets.end(), across.targets.begin() + 4 * i));
  }
}

TEST_F(DatasetTest, TooShort) {
  EXPECT_EQ(error_of([&] { Dataset(counting(3), 0, {4, 100}); }, "data.too-short"),
            "the training data has 3 tokens; a row needs 4");
  EXPECT_EQ(error_of([&] { Dataset(counting(40), 0.05, {4, 100}); }, "data.too-short"),
            "the validation split, the last 0.050000 of the data, has 2 tokens; a row needs 4");
  EXPECT_EQ(error_of([&] { Dataset(counting(40), counting(1), {4, 100}); }, "data.too-short"),
            "the validation data has 1 tokens; a row needs 4");
  EXPECT_EQ(error_of([&] { Dataset(counting(40), 1, {4, 100}); }, "data.bad-fraction").find("must be") !=
                std::string::npos,
            true);
  const TokenFile short_file = counting(3);
  error_of([&] { whole_file(short_file, {4, 100}); }, "data.too-short");
}

TEST_F(DatasetTest, ATokenThatTheModelDoesNotHave) {
  const Dataset data(counting(40), 0, {4, 39});
  Batch batch;
  data.fill_train(0, 9, false, 0, batch);
  EXPECT_EQ(error_of([&] { data.fill_train(9, 1, false, 0, batch); }, "data.token-out-of-range"),
            "the data has token 39; the model's vocabulary has 39");
}

TEST_F(DatasetTest, RecordsAreSplitWhole) {
  const Dataset data(records(10), 0.25, {8, 100});
  EXPECT_EQ(data.format(), v1::DATA_FORMAT_IDS);
  EXPECT_EQ(data.train().records(), 8u);
  EXPECT_EQ(data.validation().records(), 2u);
  EXPECT_EQ(data.train().rows(), 8u);
  Batch batch;
  fill_in_order(data.validation(), 0, 9, batch);
  EXPECT_EQ(batch.tokens, (Ids{8, 7, 9, 7}));
  EXPECT_EQ(Dataset(records(10), 0.01, {8, 100}).validation().records(), 1u);  // at least one
  EXPECT_EQ(Dataset(records(10), 0, {8, 100}).validation().records(), 0u);
  EXPECT_EQ(Dataset(records(4), 0.5, {4, 100, v1::PACKING_PACK}).train().rows(), 1u);
  EXPECT_EQ(Dataset(records(4), 0.5, {2, 100, v1::PACKING_WRAP}).train().rows(), 3u);
}

TEST_F(DatasetTest, SequencesOfABatchFollowTheShuffledRows) {
  const Dataset data(records(20), 0, {8, 100});
  Batch batch;
  std::set<std::int32_t> firsts;
  for (std::uint64_t row = 0; row < 20; row += 4) {
    data.fill_train(row, 4, true, 5, batch);
    EXPECT_EQ(batch.starts, (std::vector<std::uint32_t>{0, 2, 4, 6, 8}));
    EXPECT_EQ(batch.labels, 8u);
    for (std::size_t i = 0; i < 8; i += 2) firsts.insert(batch.tokens[i]);
  }
  EXPECT_EQ(firsts.size(), 20u);
}

TEST_F(DatasetTest, WhatDoesNotGoTogether) {
  error_of([&] { Dataset(counting(40), 0, {4, 100, v1::PACKING_NONE}); }, "data.packing");
  error_of([&] { Dataset(counting(40), records(4), {4, 100}); }, "data.format");
  EXPECT_EQ(error_of([&] { Dataset(records(1), 0.1, {4, 100}); }, "data.too-short"),
            "the data has 1 record to learn from; with a validation split it needs 2");
  EXPECT_EQ(error_of([&] { Dataset(records(2), 0, {9, 100, v1::PACKING_WRAP}); }, "data.too-short"),
            "the training data has 6 tokens; a row needs 9");
}

}  // namespace
}  // namespace mft
