// A folder of a test's own, removed at its end. Tests only.
#pragma once

#include <stdlib.h>

#include <string>

#include "base/error.h"
#include "base/file.h"

namespace mft {

class TestFolder {
 public:
  TestFolder() {
    const char* base = ::getenv("TMPDIR");
    path_ = std::string(base != nullptr ? base : "/tmp") + "/mft-test-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) throw Failure("io.failed", "can't make a test folder");
  }
  ~TestFolder() {
    try {
      remove_tree(path_);
    } catch (const Failure&) {  // a test that breaks its folder on purpose cleans up itself
    }
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Whether a test that can't mount fails instead of being skipped: where everything must run (.ci/run sets it).
inline bool must_mount() {
  const char* const real = ::getenv("MFT_TEST_REAL");
  return real != nullptr && std::string(real) == "required";
}

}  // namespace mft
