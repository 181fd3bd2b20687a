// A token file that a run left, or somebody put there: what its header and its records' ends say is inside of it, and
// its rows are what a model can take.
#include "fuzz/target.h"
#include "text/dataset.h"
#include "text/token_file.h"

namespace mft::fuzz {
namespace {

constexpr std::int32_t kVocabulary = 300;
constexpr std::uint32_t kRowTokens = 8;

void check(const Batch& batch) {
  require(batch.tokens.size() == batch.targets.size(), "tokens and targets differ in number");
  require(!batch.starts.empty() && batch.starts.front() == 0 && batch.starts.back() == batch.tokens.size(),
          "sequences that are not the batch");
  for (std::size_t i = 1; i < batch.starts.size(); ++i) {
    require(batch.starts[i - 1] < batch.starts[i] && batch.starts[i] - batch.starts[i - 1] <= kRowTokens,
            "a sequence that is empty or too long");
  }
  std::uint64_t labels = 0;
  for (std::size_t i = 0; i < batch.tokens.size(); ++i) {
    require(batch.tokens[i] >= 0 && batch.tokens[i] < kVocabulary, "a token out of range");
    require(batch.targets[i] >= kNoTarget && batch.targets[i] < kVocabulary, "a target out of range");
    labels += batch.targets[i] != kNoTarget ? 1 : 0;
  }
  require(labels == batch.labels, "labels that are not counted");
}

void take_rows(const TokenFile& tokens, v1::Packing packing) {
  (void)accepts("data.", [&] {
    const Split rows = whole_file(tokens, {kRowTokens, kVocabulary, packing});
    Batch batch;
    for (std::uint64_t first = 0; first < rows.rows(); first += 3) {
      fill_in_order(rows, first, 3, batch);
      check(batch);
    }
  });
}

void run(std::string_view input) {
  const MemoryFile file(input);
  (void)accepts("data.bad-token-file", [&] {
    const TokenFile tokens = TokenFile::open(file.path());
    require(tokens.size() <= input.size() / 2, "more tokens than bytes");
    std::uint64_t sum = 0;  // every byte is read: a sanitizer sees those that there are not
    for (std::uint64_t i = 0; i < tokens.size(); ++i) sum += tokens.at(i) + tokens.learned(i);
    require(sum < UINT64_MAX, "a sum of small numbers");
    require(tokens.records() <= input.size() / 8, "more records than bytes");
    for (std::uint64_t i = 0; i < tokens.records(); ++i) {
      const auto [begin, end] = tokens.record(i);
      require(begin <= end && end <= tokens.size(), "a record outside of the tokens");
    }
    for (const v1::Packing packing : {v1::PACKING_NONE, v1::PACKING_WRAP, v1::PACKING_PACK}) take_rows(tokens, packing);
  });
}

const Registration kTarget("token_file", run);

}  // namespace
}  // namespace mft::fuzz
