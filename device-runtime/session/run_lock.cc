#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "base/error.h"
#include "session/run.h"

namespace mft::session {
namespace {

std::uint32_t pid_in(const File& file) {
  char text[16];
  const std::size_t n = file.read_at(text, sizeof text, 0);
  std::uint32_t pid = 0;
  std::from_chars(text, text + n, pid);
  return pid;
}

bool try_lock(const File& file, int how) {
  while (::flock(file.fd(), how | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) fail_io("lock", file.path(), errno);
  }
  return true;
}

}  // namespace

RunLock::RunLock(const train::RunFolder& folder) : file_(File::open_update(folder.lock())) {
  // lock_holder() takes the lock for a moment to see whether it is free; it must not look like a runtime.
  for (int attempt = 0; !try_lock(file_, LOCK_EX); ++attempt) {
    if (attempt == 20) {
      throw Failure("run.already-running",
                    "run '" + folder.id() + "' is already running, pid " + std::to_string(pid_in(file_)),
                    "Attach to it instead.");
    }
    ::usleep(5'000);
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  file_.truncate(0);
  file_.write_at(pid.data(), pid.size(), 0);
}

std::uint32_t lock_holder(const train::RunFolder& folder) {
  if (!stat_path(folder.lock())) return 0;
  const File file = File::open_read(folder.lock());
  if (try_lock(file, LOCK_SH)) return 0;  // given back when the file is closed
  const std::uint32_t pid = pid_in(file);
  return pid != 0 ? pid : 1;  // held, but its pid is not written yet
}

}  // namespace mft::session
