#include "text/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace mft {
namespace {

using Ids = std::vector<std::int32_t>;

class DatasetTest : public testing::Test {
 protected:
  TestFolder folder_;
  int files_ = 0;

  // A token file with the ids 0, 1, ... count - 1, as docs in token_file.h lay it out.
  TokenFile counting(std::uint64_t count, bool wide = false) {
    std::string bytes = "MFTTOKS1" + std::string(120, '\0');
    bytes[8] = wide ? 4 : 2;
    std::memcpy(bytes.data() + 16, &count, 8);
    for (std::uint32_t id = 0; id < count; ++id)
      bytes.append(reinterpret_cast<const char*>(&id), wide ? 4 : 2);
    const std::string path = folder_ / std::to_string(files_++);
    write_atomically(path, bytes);
    return TokenFile::open(path);
  }
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
  const Dataset data(counting(11), 4, 0, 100);
  EXPECT_EQ(data.train().rows(), 2u);
  EXPECT_EQ(data.validation().rows(), 0u);
  Batch batch;
  data.fill_train(0, 2, false, 0, batch);
  EXPECT_EQ(batch.tokens, (Ids{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(batch.targets, (Ids{1, 2, 3, 4, 5, 6, 7, 8}));  // 8 is in the tail that is no row
  EXPECT_EQ(batch.labels, 8u);
}

TEST_F(DatasetTest, TheLastTargetOfTheStreamIsNone) {
  const Dataset data(counting(8, true), 4, 0, 100);
  Batch batch;
  data.fill_train(1, 1, false, 0, batch);
  EXPECT_EQ(batch.tokens, (Ids{4, 5, 6, 7}));
  EXPECT_EQ(batch.targets, (Ids{5, 6, 7, kNoTarget}));
  EXPECT_EQ(batch.labels, 3u);
}

TEST_F(DatasetTest, ValidationIsTheTailAndTrainDoesNotSeeIt) {
  const Dataset data(counting(100), 4, 0.2, 100);
  EXPECT_EQ(data.train().tokens(), 80u);
  EXPECT_EQ(data.validation().tokens(), 20u);
  Batch batch;
  data.fill_train(19, 1, false, 0, batch);
  EXPECT_EQ(batch.tokens, (Ids{76, 77, 78, 79}));
  EXPECT_EQ(batch.targets, (Ids{77, 78, 79, kNoTarget}));
  data.fill_validation(3, 4, batch);
  EXPECT_EQ(batch.starts, (std::vector<std::uint32_t>{0, 4, 8}));  // fewer at the end
  EXPECT_EQ(batch.tokens, (Ids{92, 93, 94, 95, 96, 97, 98, 99}));
  EXPECT_EQ(batch.targets.back(), kNoTarget);
  EXPECT_EQ(batch.labels, 7u);
  data.fill_validation(5, 4, batch);
  EXPECT_TRUE(batch.tokens.empty());
  EXPECT_EQ(batch.starts, std::vector<std::uint32_t>{0});
}

TEST_F(DatasetTest, ValidationFromItsOwnFile) {
  const Dataset data(counting(40), counting(12), 4, 100);
  EXPECT_EQ(data.train().rows(), 10u);
  EXPECT_EQ(data.validation().rows(), 3u);
}

TEST_F(DatasetTest, EveryEpochHasEveryRowOnceInAnotherOrder) {
  const Dataset data(counting(400), 4, 0, 400);
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
  const Dataset data(counting(40), 4, 0, 400);
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
  EXPECT_EQ(error_of([&] { Dataset(counting(3), 4, 0, 100); }, "data.too-short"),
            "the training data has 3 tokens; a row needs 4");
  EXPECT_EQ(error_of([&] { Dataset(counting(40), 4, 0.05, 100); }, "data.too-short"),
            "the validation split, the last 0.050000 of the data, has 2 tokens; a row needs 4");
  EXPECT_EQ(error_of([&] { Dataset(counting(40), counting(1), 4, 100); }, "data.too-short"),
            "the validation data has 1 tokens; a row needs 4");
  EXPECT_EQ(error_of([&] { Dataset(counting(40), 4, 1, 100); }, "data.bad-fraction").find("must be") !=
                std::string::npos,
            true);
  const TokenFile short_file = counting(3);
  error_of([&] { whole_file(short_file, 4, 100); }, "data.too-short");
}

TEST_F(DatasetTest, ATokenThatTheModelDoesNotHave) {
  const Dataset data(counting(40), 4, 0, 39);
  Batch batch;
  data.fill_train(0, 9, false, 0, batch);
  EXPECT_EQ(error_of([&] { data.fill_train(9, 1, false, 0, batch); }, "data.token-out-of-range"),
            "the data has token 39; the model's vocabulary has 39");
}

}  // namespace
}  // namespace mft
