// Files as RAII, every call checked, every error a Failure that carries the path and the system's words.
// Paths are the phone's: the sysroot is applied here (base/sysroot.h). Codes: io.not-found, io.denied,
// io.disk-full (ENOSPC, EDQUOT, EFBIG), io.too-large (over a caller's limit), io.cut-off (a file ends before
// it should), io.failed (all else).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mft {

// Throws the Failure for errno value `error`; `action` is a verb for the message: "open", "write".
[[noreturn]] void fail_io(const std::string& action, const std::string& path, int error);

// An owned descriptor; -1 is none. Close-on-exec always.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release();
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

class File {
 public:
  static File open_read(const std::string& path);
  // Read and write; created empty, or emptied.
  static File create(const std::string& path, unsigned mode = 0600);
  // Read and write; created when it is not there, kept when it is.
  static File open_update(const std::string& path, unsigned mode = 0600);

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  std::uint64_t size() const;

  // Up to `bytes` from `offset`; fewer only at the end of the file. Returns how many.
  std::size_t read_at(void* to, std::size_t bytes, std::uint64_t offset) const;
  // All of them, or Failure io.cut-off.
  void read_exactly_at(void* to, std::size_t bytes, std::uint64_t offset) const;
  void write_at(const void* from, std::size_t bytes, std::uint64_t offset);
  // At the file's position (the end, for a file that was only written so).
  void write(const void* from, std::size_t bytes);
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
  void truncate(std::uint64_t size);
  void sync();              // fsync: data and metadata are on the flash
  void sync_data();         // fdatasync: data and what is needed to read it
  void drop_cache() const;  // posix_fadvise DONTNEED; advice, so failures are ignored
  void close();             // checked; the destructor closes unchecked

 private:
  File(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Fd fd_;
  std::string path_;
};

// A file that appears under its name only when whole: written to "<path>.tmp", then commit() syncs, renames
// and syncs the directory. Not committed: removed.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path, unsigned mode = 0600);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  File& file() { return file_; }
  void commit();

 private:
  std::string path_;
  std::string aside_;
  File file_;
  bool committed_ = false;
};

struct FileInfo {
  std::uint64_t bytes = 0;
  std::int64_t mtime_ns = 0;
  std::uint64_t inode = 0;
  bool is_directory = false;
};

// Absent: there is nothing of that name.
std::optional<FileInfo> stat_path(const std::string& path);

// The whole file, at most `limit` bytes (Failure io.too-large). Also for /proc and /sys, whose sizes are not
// known.
std::string read_all(const std::string& path, std::uint64_t limit);

void write_atomically(const std::string& path, std::string_view bytes, unsigned mode = 0600);

void make_directory(const std::string& path, unsigned mode = 0700);  // with its parents; existing is fine
std::string parent_of(const std::string& path);                      // "." for a bare name
void sync_directory(const std::string& path);
void rename_path(const std::string& from, const std::string& to);
bool remove_file(const std::string& path);  // false: was not there
void remove_tree(const std::string& path);  // not there: fine
// Names without . and .., sorted; not there: empty.
std::vector<std::string> list_directory(const std::string& path);
std::uint64_t disk_free_bytes(const std::string& path);  // for an unprivileged writer

}  // namespace mft
