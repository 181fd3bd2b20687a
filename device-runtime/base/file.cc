#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/sysroot.h"

namespace mft {
namespace {

int open_retrying(const std::string& path, int flags, unsigned mode, const char* action) {
  for (;;) {
    int fd = ::open(on_disk(path).c_str(), flags | O_CLOEXEC, static_cast<mode_t>(mode));
    if (fd >= 0) return fd;
    if (errno != EINTR) fail_io(action, path, errno);
  }
}

}  // namespace

void fail_io(const std::string& action, const std::string& path, int error) {
  const std::string message = "can't " + action + " " + path + ": " + std::strerror(error);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      throw Failure("io.not-found", message, "Check the path; the file may have been moved or deleted.");
    case EACCES:
    case EPERM:
    case EROFS:
      throw Failure("io.denied", message, "Use a place that the adb shell user may read and write.");
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      throw Failure("io.disk-full", message, "Free space on the phone, then resume the run.");
    default:
      throw Failure("io.failed", message);
  }
}

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) reset(other.release());
  return *this;
}

int Fd::release() {
  int fd = fd_;
  fd_ = -1;
  return fd;
}

void Fd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

File File::open_read(const std::string& path) {
  File file(Fd(open_retrying(path, O_RDONLY, 0, "open")), path);
  struct stat info;
  if (::fstat(file.fd(), &info) != 0) fail_io("stat", path, errno);
  if (S_ISDIR(info.st_mode)) fail_io("read", path, EISDIR);
  return file;
}

File File::create(const std::string& path, unsigned mode) {
  return File(Fd(open_retrying(path, O_RDWR | O_CREAT | O_TRUNC, mode, "create")), path);
}

File File::open_update(const std::string& path, unsigned mode) {
  return File(Fd(open_retrying(path, O_RDWR | O_CREAT, mode, "open")), path);
}

std::uint64_t File::size() const {
  struct stat info;
  if (::fstat(fd(), &info) != 0) fail_io("stat", path_, errno);
  return static_cast<std::uint64_t>(info.st_size);
}

std::size_t File::read_at(void* to, std::size_t bytes, std::uint64_t offset) const {
  std::size_t done = 0;
  while (done < bytes) {
    ssize_t n = ::pread(fd(), static_cast<char*>(to) + done, bytes - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_io("read", path_, errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

void File::read_exactly_at(void* to, std::size_t bytes, std::uint64_t offset) const {
  const std::size_t done = read_at(to, bytes, offset);
  if (done == bytes) return;
  throw Failure("io.cut-off", path_ + " ends at byte " + std::to_string(offset + done) + ", " +
                                  std::to_string(bytes - done) + " bytes too early");
}

void File::write_at(const void* from, std::size_t bytes, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < bytes) {
    ssize_t n = ::pwrite(fd(), static_cast<const char*>(from) + done, bytes - done,
                         static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_io("write", path_, errno);
    done += static_cast<std::size_t>(n);
  }
}

void File::write(const void* from, std::size_t bytes) {
  std::size_t done = 0;
  while (done < bytes) {
    ssize_t n = ::write(fd(), static_cast<const char*>(from) + done, bytes - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_io("write", path_, errno);
    done += static_cast<std::size_t>(n);
  }
}

void File::truncate(std::uint64_t size) {
  if (::ftruncate(fd(), static_cast<off_t>(size)) != 0) fail_io("truncate", path_, errno);
}

void File::sync() {
  if (::fsync(fd()) != 0) fail_io("sync", path_, errno);
}

void File::sync_data() {
  if (::fdatasync(fd()) != 0) fail_io("sync", path_, errno);
}

void File::drop_cache() const { (void)::posix_fadvise(fd(), 0, 0, POSIX_FADV_DONTNEED); }

void File::close() {
  // Linux frees the descriptor even when close() fails; EINTR is not an error there.
  if (::close(fd_.release()) != 0 && errno != EINTR) fail_io("close", path_, errno);
}

AtomicFile::AtomicFile(std::string path, unsigned mode)
    : path_(std::move(path)), aside_(path_ + ".tmp"), file_(File::create(aside_, mode)) {}

AtomicFile::~AtomicFile() {
  if (!committed_) (void)::unlink(on_disk(aside_).c_str());
}

void AtomicFile::commit() {
  file_.sync();
  file_.close();
  rename_path(aside_, path_);
  committed_ = true;
  sync_directory(parent_of(path_));
}

std::string read_all(const std::string& path, std::uint64_t limit) {
  File file = File::open_read(path);
  std::string bytes;
  // One byte over the limit is enough to know; sizes are not asked, because /proc and /sys do not tell them.
  std::size_t chunk =
      static_cast<std::size_t>(std::min<std::uint64_t>(std::max<std::uint64_t>(file.size(), 4096), limit)) +
      1;
  for (;;) {
    const std::size_t before = bytes.size();
    bytes.resize(before + chunk);
    ssize_t n;
    do {
      n = ::read(file.fd(), bytes.data() + before, chunk);
    } while (n < 0 && errno == EINTR);
    if (n < 0) fail_io("read", path, errno);
    bytes.resize(before + static_cast<std::size_t>(n));
    if (bytes.size() > limit) {
      throw Failure("io.too-large", path + " is larger than " + std::to_string(limit) + " bytes");
    }
    if (n == 0) return bytes;
    chunk = static_cast<std::size_t>(std::min<std::uint64_t>(limit + 1 - bytes.size(), 65536));
  }
}

void write_atomically(const std::string& path, std::string_view bytes, unsigned mode) {
  AtomicFile aside(path, mode);
  aside.file().write(bytes);
  aside.commit();
}

}  // namespace mft
