#include "base/sysroot.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace mft {
namespace {

class Sysroot : public testing::Test {
 protected:
  ~Sysroot() override { set_sysroot(""); }
  TestFolder folder_;
};

TEST_F(Sysroot, LeavesPathsAloneWhenThereIsNone) {
  EXPECT_EQ(on_disk("/proc/meminfo"), "/proc/meminfo");
  EXPECT_EQ(on_disk("/a/../b"), "/a/../b");
}

TEST_F(Sysroot, PrefixesAbsolutePathsAndDoesNotLetThemClimbOut) {
  set_sysroot(folder_.path());
  EXPECT_EQ(on_disk("/proc/meminfo"), sysroot() + "/proc/meminfo");
  EXPECT_EQ(on_disk("/data/../../../etc/passwd"), sysroot() + "/etc/passwd");
  EXPECT_EQ(on_disk("relative/file"), "relative/file");
}

TEST_F(Sysroot, FileFunctionsSeeIt) {
  set_sysroot(folder_.path());
  make_directory("/data/local/tmp");
  write_atomically("/data/local/tmp/note", "hello");
  EXPECT_EQ(read_all("/data/local/tmp/note", 100), "hello");
  set_sysroot("");
  EXPECT_EQ(read_all(folder_ / "data/local/tmp/note", 100), "hello");
}

TEST_F(Sysroot, RefusesAFolderThatIsNotThere) { EXPECT_THROW(set_sysroot(folder_ / "absent"), Failure); }

}  // namespace
}  // namespace mft
