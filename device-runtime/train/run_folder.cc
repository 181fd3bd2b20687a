#include "train/run_folder.h"

#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "train/spec.h"

namespace mft::train {
namespace {

constexpr std::uint64_t kSpecLimit = 16 << 20;
constexpr std::size_t kTokenBytes = 32;

}  // namespace

bool valid_run_id(std::string_view id) {
  if (id.empty() || id.size() > 63 || id.front() == '-') return false;
  for (char c : id) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  return true;
}

RunFolder::RunFolder(std::string root, std::string id) : root_(std::move(root)), id_(std::move(id)) {
  if (!valid_run_id(id_)) {
    throw Failure("usage.run-id", "'" + id_ + "' is not a run id",
                  "A run id is up to 63 of a-z, 0-9 and -, and does not start with -.");
  }
  path_ = root_ + "/runs/" + id_;
}

std::string RunFolder::stored(std::string_view sha256) const {
  if (sha256.size() != sizeof(Sha256Digest)) {
    throw Failure("spec.invalid",
                  "a SHA-256 of " + std::to_string(sha256.size()) + " bytes in the run's specification");
  }
  return root_ + "/store/" + to_hex(sha256);
}

v1::RunSpec RunFolder::read_spec() const {
  const std::string path = *this / "spec.pb";
  if (!stat_path(path)) {
    throw Failure("run.unknown", "there is no run '" + id_ + "' under " + root_,
                  "List the runs with `mft runs ls`.");
  }
  const std::string bytes = read_all(path, kSpecLimit);
  v1::RunSpec spec;
  if (!spec.ParseFromString(bytes)) throw Failure("spec.invalid", path + " is not a run specification");
  check_spec(spec, id_);
  return spec;
}

std::string RunFolder::read_token() const {
  std::string token = read_all(*this / "token", 4096);
  if (token.size() != kTokenBytes) {
    throw Failure("run.token",
                  "the token of run '" + id_ + "' has " + std::to_string(token.size()) + " bytes, not 32");
  }
  return token;
}

}  // namespace mft::train
