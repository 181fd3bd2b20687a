#include "base/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "base/sysroot.h"
#include "base/test_folder.h"

namespace mft {
namespace {

TEST(Process, TellsOfItselfAlsoUnderASysroot) {
  TestFolder empty;
  set_sysroot(empty.path());
  const std::uint64_t before = rss_bytes();
  EXPECT_GT(before, 100'000u);
  std::vector<char> block(64 << 20, 1);
  EXPECT_GT(rss_bytes() + block[12345], before + (60u << 20));
  EXPECT_GE(peak_rss_bytes(), rss_bytes() - (1u << 20));
  EXPECT_GE(usable_cpus(), 1u);
  EXPECT_FALSE(kernel_release().empty());
  set_sysroot("");
}

TEST(Process, ClosesWhatWasInherited) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const int a = ::dup(0);
    const int b = ::fcntl(0, F_DUPFD, 100);
    close_descriptors_above(2);
    const bool closed = ::fcntl(a, F_GETFD) < 0 && ::fcntl(b, F_GETFD) < 0 && ::fcntl(2, F_GETFD) >= 0;
    ::_exit(closed ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace mft
