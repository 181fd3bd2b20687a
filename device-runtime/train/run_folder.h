// Where a run's files lie on the phone (docs/ARCHITECTURE.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mft/v1/run.pb.h"

namespace mft::train {

// [a-z0-9][a-z0-9-]{0,62}
bool valid_run_id(std::string_view id);

class RunFolder {
 public:
  // Failure usage.run-id.
  RunFolder(std::string root, std::string id);

  const std::string& id() const { return id_; }
  const std::string& root() const { return root_; }
  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  std::string journal() const { return *this / "journal"; }
  std::string lock() const { return *this / "lock"; }
  std::string log() const { return *this / "log"; }
  std::string checkpoints() const { return *this / "checkpoints"; }
  std::string best() const { return *this / "best"; }
  std::string result() const { return *this / "result"; }
  // sha256: 32 raw bytes. Failure spec.invalid when it is not that.
  std::string stored(std::string_view sha256) const;

  // spec.pb, parsed and checked (train/spec.h). Failure run.unknown, spec.invalid.
  v1::RunSpec read_spec() const;
  // 32 bytes. Failure run.token.
  std::string read_token() const;

 private:
  std::string root_;
  std::string id_;
  std::string path_;
};

}  // namespace mft::train
