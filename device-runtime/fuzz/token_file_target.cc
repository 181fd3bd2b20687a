// A token file that a run left, or somebody put there: what its header and its records' ends say is inside of it.
#include "fuzz/target.h"
#include "text/token_file.h"

namespace mft::fuzz {
namespace {

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
  });
}

const Registration kTarget("token_file", run);

}  // namespace
}  // namespace mft::fuzz
