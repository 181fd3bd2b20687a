#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/clock.h"
#include "base/file.h"
#include "base/sysroot.h"
#include "power/dumpsys.h"

extern char** environ;

namespace mft::power {
namespace {

constexpr std::size_t kOutputLimit = 512 * 1024;

// posix_spawn's attributes and file actions, freed on every way out.
class SpawnPlan {
 public:
  SpawnPlan(int output) {
    ok_ = ::posix_spawn_file_actions_init(&actions_) == 0 && ::posix_spawnattr_init(&attributes_) == 0 &&
          ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0 &&
          ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO) == 0 &&
          ::posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0;
    // This process blocks and ignores signals that a child must have as usual.
    sigset_t none, defaults;
    ::sigemptyset(&none);
    ::sigemptyset(&defaults);
    ::sigaddset(&defaults, SIGPIPE);
    ::sigaddset(&defaults, SIGHUP);
    ok_ = ok_ && ::posix_spawnattr_setsigmask(&attributes_, &none) == 0 &&
          ::posix_spawnattr_setsigdefault(&attributes_, &defaults) == 0 &&
          ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) == 0;
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  std::optional<pid_t> spawn(const std::string& path, char* const* argv) {
    pid_t pid = 0;
    if (!ok_ || ::posix_spawn(&pid, path.c_str(), &actions_, &attributes_, argv, environ) != 0)
      return std::nullopt;
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
  bool ok_ = false;
};

// All that comes out of `fd` before `deadline`; absent when there is more, or it takes longer.
std::optional<std::string> read_until(int fd, std::uint64_t deadline_us) {
  std::string text;
  for (;;) {
    const std::uint64_t now = monotonic_us();
    if (now >= deadline_us) return std::nullopt;
    struct pollfd polled = {fd, POLLIN, 0};
    const int ready = ::poll(&polled, 1, static_cast<int>((deadline_us - now) / 1000 + 1));
    if (ready < 0 && errno != EINTR) return std::nullopt;
    if (ready <= 0) continue;
    char piece[4096];
    const ssize_t n = ::read(fd, piece, sizeof piece);
    if (n < 0 && errno != EINTR) return std::nullopt;
    if (n == 0) return text;
    if (n > 0) text.append(piece, static_cast<std::size_t>(n));
    if (text.size() > kOutputLimit) return std::nullopt;
  }
}

}  // namespace

std::optional<std::string> dumpsys(const std::string& service, std::chrono::milliseconds limit) {
  const std::string path = on_disk("/system/bin/dumpsys");
  if (::access(path.c_str(), X_OK) != 0) return std::nullopt;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  Fd output(ends[0]);
  Fd input(ends[1]);
  std::string name = "dumpsys";
  std::string argument = service;
  char* argv[] = {name.data(), argument.data(), nullptr};
  const std::optional<pid_t> pid = SpawnPlan(input.get()).spawn(path, argv);
  input.reset();
  if (!pid) return std::nullopt;

  std::optional<std::string> text =
      read_until(output.get(), monotonic_us() + static_cast<std::uint64_t>(limit.count()) * 1000);
  if (!text) (void)::kill(*pid, SIGKILL);
  int status = 0;
  while (::waitpid(*pid, &status, 0) < 0) {
    if (errno != EINTR) return std::nullopt;
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return std::nullopt;
  return text;
}

}  // namespace mft::power
