// Every committed input once through its target, in every build: as it is, cut at every sixteenth, and with
// bytes flipped, so that a corpus says more than its files do. A parser that crashes, hangs or throws something
// else ends the program; where memory can be limited, so does one that takes what it doesn't need.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/file.h"
#include "fuzz/target.h"

namespace mft::fuzz {
namespace {

constexpr std::uint64_t kLargestInput = 1 << 20;
constexpr rlim_t kMemory = rlim_t{3} << 30;  // address space: code, threads and mapped files too

// Sanitizers reserve terabytes of addresses.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MFT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MFT_SANITIZED 1
#endif
#endif
#ifdef MFT_SANITIZED
constexpr bool kLimited = false;
#else
constexpr bool kLimited = true;
#endif

void limit_memory() {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &limit), 0);
  limit.rlim_cur = std::min(limit.rlim_max, kMemory);
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &limit), 0);
}

class Replay : public testing::TestWithParam<std::string> {};

TEST_P(Replay, Corpus) {
  if (kLimited) limit_memory();
  const std::string folder = std::string(MFT_CORPUS) + "/" + GetParam();
  const std::vector<std::string> names = list_directory(folder);
  ASSERT_FALSE(names.empty()) << folder;
  const Target target = targets().at(GetParam());
  for (const std::string& name : names) {
    current_input = folder + "/" + name;
    const std::string input = read_all(folder + "/" + name, kLargestInput);
    target(input);
    for (std::size_t part = 0; part < 16; ++part) {
      target(std::string_view(input).substr(0, input.size() * part / 16));
    }
    for (std::size_t at = 0; at < input.size(); at += 1 + input.size() / 16) {
      std::string flipped = input;
      flipped[at] = static_cast<char>(static_cast<unsigned char>(flipped[at]) ^ 0xffu);
      target(flipped);
    }
  }
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& [name, target] : targets()) all.push_back(name);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Replay, testing::ValuesIn(names()),
                         [](const auto& target) { return target.param; });

// A corpus without a target is replayed by nobody.
TEST(ReplayTest, EveryCorpusHasATarget) {
  EXPECT_EQ(list_directory(MFT_CORPUS), names());
}

}  // namespace
}  // namespace mft::fuzz
