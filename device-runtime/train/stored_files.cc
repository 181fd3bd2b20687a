#include "train/stored_files.h"

#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"

namespace mft::train {
namespace {

constexpr std::uint64_t kListLimit = 1 << 20;

std::string look_of(const FileInfo& info) {
  return std::to_string(info.bytes) + " " + std::to_string(info.mtime_ns) + " " + std::to_string(info.inode);
}

}  // namespace

StoredFiles::StoredFiles(const RunFolder& folder) : folder_(&folder), list_path_(folder / "verified") {
  if (!stat_path(list_path_)) return;
  std::istringstream lines(read_all(list_path_, kListLimit));
  for (std::string line; std::getline(lines, line);) {
    if (line.size() > 65 && line[64] == ' ') known_[line.substr(0, 64)] = line.substr(65);
  }
}

std::string StoredFiles::verified(std::string_view sha256, const Progress& progress) {
  const std::string path = folder_->stored(sha256);
  const std::string hex = to_hex(sha256);
  const std::optional<FileInfo> info = stat_path(path);
  if (!info) {
    throw Failure("store.missing", "the phone's store has no file " + hex,
                  "Start the run again from the host, which pushes what is missing.");
  }
  const std::string look = look_of(*info);
  const auto known = known_.find(hex);
  if (known != known_.end() && known->second == look) return path;

  const Sha256Digest digest = sha256_file(path, [&](std::uint64_t done) {
    if (progress) progress(done, info->bytes);
  });
  if (to_bytes(digest) != sha256) {
    throw Failure("store.corrupt", "the stored file " + hex + " is damaged: its SHA-256 is " + to_hex(digest),
                  "Delete it from the phone and start the run again from the host, which pushes it anew.");
  }
  known_[hex] = look;
  std::string list;
  for (const auto& [name, how] : known_) list += name + " " + how + "\n";
  write_atomically(list_path_, list);
  return path;
}

}  // namespace mft::train
