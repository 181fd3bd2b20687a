// Runs the table of ops: row x threads x instruction set, each a case of its own.
#include "kernels/ops_table.h"

#include <algorithm>
#include <map>
#include <ostream>
#include <set>

#include "kernels/ops.h"

namespace mft::kernels::test {
namespace {

const Rows& table_rows() {
  static const Rows rows = [] {
    Rows all;
    add_activation_rows(all);
    add_attention_rows(all);
    add_embedding_rows(all);
    add_gemm_rows(all);
    add_head_rows(all);
    add_norm_rows(all);
    add_optimizer_rows(all);
    add_query_key_rows(all);
    add_rope_rows(all);
    add_vector_rows(all);
    return all;
  }();
  return rows;
}

struct Case {
  const Row* row;
  std::string isa;
  int threads;
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.row->op << " " << c.row->name; }

// Cases of one row follow each other, so that its oracle is asked once.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Row& row : table_rows()) {
    for (const std::string_view name : available_isas()) {
      for (const int threads : {1, 2, 3}) all.push_back({&row, std::string(name), threads});
    }
  }
  return all;
}

ThreadPool make_pool(int threads) {
  ThreadPool::Options options;
  options.reserve_first_tile = true;
  options.pin = false;
  return ThreadPool(threads, options);
}

// The row in hand, and the bits that the first instruction set of each numeric class gives with one thread.
class Loaded {
 public:
  static Loaded& of(const Row& row) {
    static Loaded last;
    if (last.row_ != &row) {
      last.row_ = &row;
      last.problem = row.make();
      last.first_.clear();
    }
    return last;
  }

  const Outputs& first_of_class() {
    const std::string wanted(numeric_class(row_->compute));
    const auto found = first_.find(wanted);
    if (found != first_.end()) return found->second;
    const IsaGuard guard;
    for (const std::string_view name : available_isas()) {
      set_isa(name);
      if (numeric_class(row_->compute) == wanted) break;
    }
    ThreadPool pool = make_pool(1);
    return first_[wanted] = problem.run(pool);
  }

  Problem problem;

 private:
  const Row* row_ = nullptr;
  std::map<std::string, Outputs> first_;
};

// What the oracle gives, and the bits of the numeric class.
class OpTable : public testing::TestWithParam<Case> {};

TEST_P(OpTable, Gives) {
  const Case& c = GetParam();
  Loaded& loaded = Loaded::of(*c.row);
  if (HasFailure()) return;  // of the oracle's own gradients
  const IsaGuard guard;
  set_isa(c.isa);
  ThreadPool pool = make_pool(c.threads);
  const Outputs out = loaded.problem.run(pool);
  if (loaded.problem.parallel) {
    for (const std::uint64_t tiles : pool.tiles_done()) EXPECT_GT(tiles, 0u);
  }
  ASSERT_EQ(out.size(), loaded.problem.expected.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Expected& expected = loaded.problem.expected[i];
    ASSERT_EQ(out[i].size(), expected.values.size()) << "output " << i;
    EXPECT_LE(relative_error(out[i], expected.values), expected.bar) << "output " << i;
  }
  const Outputs& first = loaded.first_of_class();
  for (std::size_t i = 0; i < out.size(); ++i) {
    EXPECT_TRUE(same_bits(out[i], first[i])) << "output " << i << " differs within " << numeric_class(c.row->compute);
  }
}

INSTANTIATE_TEST_SUITE_P(All, OpTable, testing::ValuesIn(cases()), [](const auto& parameter) {
  const Case& c = parameter.param;
  return c.row->op + "_" + c.row->name + "_" + c.isa + "_t" + std::to_string(c.threads);
});

TEST(OpTableItself, HasRowsForEveryOpAndNoOther) {
  std::set<std::string> with_rows;
  for (const Row& row : table_rows()) with_rows.insert(row.op);
  for (const std::string_view op : kOps) EXPECT_EQ(with_rows.count(std::string(op)), 1u) << op;
  EXPECT_EQ(with_rows.size(), std::size(kOps));
}

TEST(OpTableItself, HasAtLeastTwoThousandCases) { EXPECT_GE(cases().size(), 2000u); }

}  // namespace
}  // namespace mft::kernels::test
