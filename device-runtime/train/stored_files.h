// Files of the device store as a run uses them: their hash is verified at the first use and remembered by
// size, time and inode in runs/<id>/verified, so that a resume does not read gigabytes again.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "train/run_folder.h"

namespace mft::train {

class StoredFiles {
 public:
  // progress(done bytes, total bytes) while a file is hashed; may throw to give up.
  using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;
  explicit StoredFiles(const RunFolder& folder);

  // Path of the stored file with this SHA-256 (32 raw bytes), verified. Failure store.missing, store.corrupt.
  std::string verified(std::string_view sha256, const Progress& progress);

 private:
  const RunFolder* folder_;
  std::string list_path_;
  std::map<std::string, std::string> known_;  // hex -> what the file looked like when it was verified
};

}  // namespace mft::train
