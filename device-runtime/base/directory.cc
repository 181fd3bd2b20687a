// The parts of base/file.h that deal with names rather than contents.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "base/file.h"
#include "base/sysroot.h"

namespace mft {

std::optional<FileInfo> stat_path(const std::string& path) {
  struct stat info;
  if (::stat(on_disk(path).c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    fail_io("stat", path, errno);
  }
  FileInfo result;
  result.bytes = static_cast<std::uint64_t>(info.st_size);
  result.mtime_ns = static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
  result.inode = static_cast<std::uint64_t>(info.st_ino);
  result.is_directory = S_ISDIR(info.st_mode);
  return result;
}

void make_directory(const std::string& path, unsigned mode) {
  if (::mkdir(on_disk(path).c_str(), static_cast<mode_t>(mode)) == 0) return;
  if (errno == EEXIST) {
    const std::optional<FileInfo> info = stat_path(path);
    if (info && info->is_directory) return;
    fail_io("make directory", path, ENOTDIR);
  }
  const std::size_t slash = path.find_last_of('/');
  if (errno != ENOENT || slash == std::string::npos || slash == 0) fail_io("make directory", path, errno);
  make_directory(path.substr(0, slash), mode);
  if (::mkdir(on_disk(path).c_str(), static_cast<mode_t>(mode)) != 0 && errno != EEXIST) {
    fail_io("make directory", path, errno);
  }
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

void sync_directory(const std::string& path) {
  Fd fd(::open(on_disk(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) fail_io("open", path, errno);
  // Some file systems (FUSE, as under /sdcard) can't sync a directory; they say so with EINVAL.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) fail_io("sync", path, errno);
}

void rename_path(const std::string& from, const std::string& to) {
  if (std::rename(on_disk(from).c_str(), on_disk(to).c_str()) != 0) fail_io("rename to " + to, from, errno);
}

bool remove_file(const std::string& path) {
  if (::unlink(on_disk(path).c_str()) == 0) return true;
  if (errno == ENOENT) return false;
  fail_io("remove", path, errno);
}

void remove_tree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(on_disk(path), error);
  if (error) fail_io("remove", path, error.value());
}

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(on_disk(path), error);
  if (error.value() == ENOENT) return names;
  if (error) fail_io("list", path, error.value());
  while (entry != std::filesystem::directory_iterator()) {
    names.push_back(entry->path().filename().string());
    entry.increment(error);
    if (error) fail_io("list", path, error.value());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::uint64_t disk_free_bytes(const std::string& path) {
  struct statvfs info;
  if (::statvfs(on_disk(path).c_str(), &info) != 0) fail_io("stat the file system of", path, errno);
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

}  // namespace mft
