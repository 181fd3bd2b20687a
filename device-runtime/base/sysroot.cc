#include "base/sysroot.h"

#include <filesystem>
#include <system_error>

#include "base/error.h"

namespace mft {
namespace {

std::string& root() {
  static std::string value;
  return value;
}

}  // namespace

void set_sysroot(const std::string& dir) {
  if (dir.empty()) {
    root().clear();
    return;
  }
  std::error_code error;
  std::filesystem::path resolved = std::filesystem::canonical(dir, error);
  if (error || !std::filesystem::is_directory(resolved, error)) {
    throw Failure("usage.sysroot", "--sysroot " + dir + " is not a directory", "Name an existing directory.");
  }
  root() = resolved == "/" ? "" : resolved.string();
}

const std::string& sysroot() { return root(); }

std::string on_disk(const std::string& path) {
  if (root().empty() || path.empty() || path.front() != '/') return path;
  return root() + std::filesystem::path(path).lexically_normal().string();
}

}  // namespace mft
