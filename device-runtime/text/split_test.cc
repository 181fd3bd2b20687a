#include "text/split.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "base/test_folder.h"
#include "text/test_tables.h"
#include "text/test_tokens.h"

namespace mft {
namespace {

using Ids = std::vector<std::int32_t>;
using Starts = std::vector<std::uint32_t>;
constexpr std::int32_t kNo = kNoTarget;

class SplitTest : public testing::Test {
 protected:
  TestFolder folder_;
  std::string path_ = folder_ / "tokens";

  static Batch all(const Split& split) {
    Batch batch;
    fill_in_order(split, 0, 1000000, batch);
    return batch;
  }
};

TEST_F(SplitTest, ARecordIsARow) {
  const TokenFile file = record_file(path_, {{{1, 2, 3}, ""}, {{4, 5}, ""}, {{6, 7, 8, 9}, "0010"}});
  const Split split = Split::of_records(file, 0, 3, v1::PACKING_NONE, 3, 100);
  EXPECT_EQ(split.rows(), 3u);
  EXPECT_EQ(split.records(), 3u);
  EXPECT_EQ(split.tokens(), 9u);
  EXPECT_EQ(split.labels(), 4u);
  const Batch batch = all(split);
  EXPECT_EQ(batch.tokens, (Ids{1, 2, 4, 6, 7, 8}));
  EXPECT_EQ(batch.targets, (Ids{2, 3, 5, kNo, 8, kNo}));
  EXPECT_EQ(batch.starts, (Starts{0, 2, 3, 6}));
  EXPECT_EQ(batch.labels, 4u);
  Batch one;
  fill_in_order(split, 1, 1, one);
  EXPECT_EQ(one.tokens, Ids{4});
  EXPECT_EQ(one.starts, (Starts{0, 1}));
  fill_in_order(split, 3, 1, one);
  EXPECT_EQ(one.starts, Starts{0});
}

TEST_F(SplitTest, WholeRecordsFillARow) {
  const TokenFile file =
      record_file(path_, {{{1, 2, 3}, ""}, {{4, 5}, ""}, {{6, 7, 8}, "001"}, {{9, 10, 11, 12, 13}, ""}, {{14, 15}, ""}});
  const Split split = Split::of_records(file, 0, 5, v1::PACKING_PACK, 4, 100);
  EXPECT_EQ(split.rows(), 4u);
  EXPECT_EQ(split.labels(), 2u + 1 + 1 + 4 + 1);
  Batch batch;
  split.append_row((batch.clear(), 0), batch);
  EXPECT_EQ(batch.tokens, (Ids{1, 2, 4}));  // the third does not fit
  EXPECT_EQ(batch.targets, (Ids{2, 3, 5}));
  EXPECT_EQ(batch.starts, (Starts{0, 2, 3}));
  split.append_row((batch.clear(), 1), batch);
  EXPECT_EQ(batch.tokens, (Ids{6, 7}));
  EXPECT_EQ(batch.targets, (Ids{kNo, 8}));
  split.append_row((batch.clear(), 2), batch);
  EXPECT_EQ(batch.tokens, (Ids{9, 10, 11, 12}));
  EXPECT_EQ(batch.starts, (Starts{0, 4}));
}

TEST_F(SplitTest, RecordsWrapAsOneText) {
  const TokenFile file = record_file(path_, {{{1, 2, 3}, "011"}, {{4, 5, 6}, "001"}, {{7, 8, 9, 10}, "0001"}});
  const Split split = Split::of_records(file, 0, 3, v1::PACKING_WRAP, 2, 100);
  // Inputs 1 2 | 3 4 | 5 6 | 7 8 | 9 10, learned 2 3 6 10: the row 3 4 and the row 7 8 have nothing to learn.
  const Batch batch = all(split);
  EXPECT_EQ(batch.tokens, (Ids{1, 2, 5, 6, 9, 10}));
  EXPECT_EQ(batch.targets, (Ids{2, 3, 6, kNo, 10, kNo}));
  EXPECT_EQ(batch.starts, (Starts{0, 2, 4, 6}));
  EXPECT_EQ(split.labels(), 4u);
  EXPECT_EQ(batch.labels, 4u);
}

TEST_F(SplitTest, APartOfTheRecordsSeesNothingOfTheOthers) {
  const TokenFile file = record_file(path_, {{{1, 2, 3}, ""}, {{4, 5}, ""}, {{6, 7, 8}, ""}});
  EXPECT_EQ(all(Split::of_records(file, 1, 2, v1::PACKING_NONE, 8, 100)).tokens, Ids{4});
  EXPECT_EQ(all(Split::of_records(file, 1, 3, v1::PACKING_PACK, 8, 100)).tokens, (Ids{4, 6, 7}));
  const Batch wrapped = all(Split::of_records(file, 0, 2, v1::PACKING_WRAP, 5, 100));
  EXPECT_EQ(wrapped.targets, (Ids{2, 3, 4, 5, kNo}));
}

// Every packing has the same labels, but for what wrapping joins and leaves over at its end.
TEST_F(SplitTest, PackingLosesNoLabel) {
  TestRandom random(3);
  std::vector<TestRecord> records;
  for (int i = 0; i < 2000; ++i) {
    TestRecord record;
    const std::size_t count = 2 + random.below(15);
    for (std::size_t k = 0; k < count; ++k) {
      record.ids.push_back(static_cast<std::int32_t>(random.below(1000)));
      record.learned += k + 1 == count || random.below(3) == 0 ? '1' : '0';
    }
    records.push_back(record);
  }
  const TokenFile file = record_file(path_, records);
  const Split none = Split::of_records(file, 0, records.size(), v1::PACKING_NONE, 16, 1000);
  const Split pack = Split::of_records(file, 0, records.size(), v1::PACKING_PACK, 16, 1000);
  const Batch a = all(none);
  const Batch b = all(pack);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.targets, b.targets);
  EXPECT_EQ(a.starts, b.starts);
  EXPECT_EQ(none.labels(), a.labels);
  EXPECT_EQ(pack.labels(), a.labels);
  EXPECT_LT(pack.rows(), none.rows());
  for (const Split& split : {none, pack, Split::of_records(file, 0, records.size(), v1::PACKING_WRAP, 16, 1000)}) {
    std::uint64_t labels = 0;
    for (std::uint64_t row = 0; row < split.rows(); ++row) {
      Batch batch;
      fill_in_order(split, row, 1, batch);
      EXPECT_GT(batch.labels, 0u);
      EXPECT_LE(batch.tokens.size(), 16u);
      labels += batch.labels;
    }
    EXPECT_EQ(labels, split.labels());
  }
}

TEST_F(SplitTest, ARowOfOneTokenAtTheEndIsNone) {
  const TokenFile file = counting_file(path_, 4);
  const Split split = Split::of_tokens(file, 0, 4, 1, 100);
  EXPECT_EQ(split.rows(), 3u);
  EXPECT_EQ(split.labels(), 3u);
  EXPECT_EQ(all(split).targets, (Ids{1, 2, 3}));
}

TEST_F(SplitTest, RefusesRecordsThatNoRowCanHave) {
  const TokenFile file = record_file(path_, {{{1, 2, 3}, ""}, {{4, 5}, "10"}, {{6, 700}, ""}});
  EXPECT_THROW(Split::of_records(file, 0, 1, v1::PACKING_NONE, 1, 100), Failure);
  EXPECT_THROW(Split::of_records(file, 0, 2, v1::PACKING_PACK, 8, 100), Failure);
  const Split split = Split::of_records(file, 2, 3, v1::PACKING_NONE, 8, 100);
  Batch batch;
  try {
    fill_in_order(split, 0, 1, batch);
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_STREQ(failure.what(), "the data has token 700; the model's vocabulary has 100");
  }
}

}  // namespace
}  // namespace mft
