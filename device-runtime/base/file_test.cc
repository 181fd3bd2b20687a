#include "base/file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <functional>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/test_folder.h"

namespace mft {
namespace {

std::string code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Failure& failure) {
    return failure.code();
  }
  return "none";
}

TEST(File, ReportsWhatIsWrongWithAPath) {
  TestFolder folder;
  try {
    File::open_read(folder / "absent");
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), "io.not-found");
    EXPECT_NE(std::string(failure.what()).find(folder / "absent"), std::string::npos);
    EXPECT_NE(std::string(failure.what()).find("No such file"), std::string::npos);
  }
  EXPECT_EQ(code_of([&] { File::open_read(folder.path()); }), "io.failed");
}

TEST(File, ReadsWithALimit) {
  TestFolder folder;
  write_atomically(folder / "ten", "0123456789");
  EXPECT_EQ(read_all(folder / "ten", 10), "0123456789");
  EXPECT_EQ(code_of([&] { read_all(folder / "ten", 9); }), "io.too-large");
  EXPECT_GT(read_all("/proc/self/stat", 65536).size(), 0u);  // its size is told as 0
  write_atomically(folder / "none", "");
  EXPECT_EQ(read_all(folder / "none", 0), "");
}

TEST(File, SaysWhereAFileEndsTooEarly) {
  TestFolder folder;
  write_atomically(folder / "ten", "0123456789");
  File file = File::open_read(folder / "ten");
  char bytes[8];
  EXPECT_EQ(file.read_at(bytes, 8, 5), 5u);
  EXPECT_EQ(code_of([&] { file.read_exactly_at(bytes, 8, 5); }), "io.cut-off");
}

TEST(AtomicFile, AppearsOnlyWhenWhole) {
  TestFolder folder;
  write_atomically(folder / "a", "old", 0600);
  {
    AtomicFile aside(folder / "a");
    aside.file().write("half of the n");
  }
  EXPECT_EQ(read_all(folder / "a", 100), "old");
  EXPECT_EQ(list_directory(folder.path()), std::vector<std::string>{"a"});
  write_atomically(folder / "a", "new", 0600);
  EXPECT_EQ(read_all(folder / "a", 100), "new");
  struct stat info;
  ASSERT_EQ(::stat((folder / "a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(AtomicFile, AFullDiskIsNamedAndLeavesTheOldFile) {
  TestFolder folder;
  write_atomically(folder / "a", "old");
  ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const struct rlimit small = {4096, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string code = code_of([&] { write_atomically(folder / "a", std::string(10000, 'x')); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, SIG_DFL);
  EXPECT_EQ(code, "io.disk-full");
  EXPECT_EQ(read_all(folder / "a", 100), "old");
  EXPECT_EQ(list_directory(folder.path()), std::vector<std::string>{"a"});
}

TEST(Directory, MakesParentsListsAndRemoves) {
  TestFolder folder;
  make_directory(folder / "a/b/c");
  make_directory(folder / "a/b/c");
  write_atomically(folder / "a/z", "");
  EXPECT_EQ(list_directory(folder / "a"), (std::vector<std::string>{"b", "z"}));
  EXPECT_EQ(list_directory(folder / "absent"), std::vector<std::string>{});
  EXPECT_EQ(code_of([&] { make_directory(folder / "a/z/below"); }), "io.not-found");
  remove_tree(folder / "a");
  EXPECT_FALSE(stat_path(folder / "a").has_value());
  remove_tree(folder / "a");
  EXPECT_FALSE(remove_file(folder / "a"));
  EXPECT_GT(disk_free_bytes(folder.path()), 0u);
}

TEST(MappedFile, ShowsTheFile) {
  TestFolder folder;
  const std::string bytes(100000, 'q');
  write_atomically(folder / "m", bytes);
  MappedFile mapped(folder / "m");
  ASSERT_EQ(mapped.size(), bytes.size());
  mapped.drop(10, 90000);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(mapped.data()), mapped.size()), bytes);
  MappedFile moved(std::move(mapped));
  EXPECT_EQ(moved.data()[99999], 'q');
  write_atomically(folder / "none", "");
  EXPECT_EQ(MappedFile(folder / "none").size(), 0u);
}

}  // namespace
}  // namespace mft
