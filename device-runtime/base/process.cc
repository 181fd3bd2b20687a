#include "base/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/file.h"

namespace mft {
namespace {

// A "Key:   123 kB" line of /proc/self/status, in bytes; 0 when there is none.
std::uint64_t status_bytes(const char* key) {
  Fd fd(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  if (!fd) return 0;
  char text[8192];
  ssize_t n = ::read(fd.get(), text, sizeof text - 1);
  if (n <= 0) return 0;
  text[n] = '\0';
  const char* line = std::strstr(text, key);
  return line == nullptr ? 0 : std::strtoull(line + std::strlen(key), nullptr, 10) * 1024;
}

std::uint64_t usage_bytes() {
  struct rusage usage;
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace

std::uint64_t rss_bytes() {
  const std::uint64_t bytes = status_bytes("\nVmRSS:");
  return bytes != 0 ? bytes : usage_bytes();
}

std::uint64_t peak_rss_bytes() {
  const std::uint64_t bytes = status_bytes("\nVmHWM:");
  return bytes != 0 ? bytes : usage_bytes();
}

unsigned usable_cpus() {
  cpu_set_t cpus;
  if (::sched_getaffinity(0, sizeof cpus, &cpus) == 0) {
    const int count = CPU_COUNT(&cpus);
    if (count > 0) return static_cast<unsigned>(count);
  }
  const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? static_cast<unsigned>(online) : 1;
}

std::string kernel_release() {
  struct utsname name;
  return ::uname(&name) == 0 ? name.release : "";
}

const char* abi_name() {
#if defined(__aarch64__)
  return "arm64-v8a";
#elif defined(__x86_64__)
  return "x86_64";
#else
#error "mft-runtime is built for arm64-v8a and x86_64"
#endif
}

void close_descriptors_above(int last) {
  DIR* dir = ::opendir("/proc/self/fd");
  if (dir == nullptr) {
    const long limit = ::sysconf(_SC_OPEN_MAX);
    for (int fd = last + 1; fd < (limit > 0 && limit < 65536 ? limit : 65536); ++fd) (void)::close(fd);
    return;
  }
  std::vector<int> open;
  while (const struct dirent* entry = ::readdir(dir)) {
    const int fd = std::atoi(entry->d_name);
    if (fd > last && fd != ::dirfd(dir)) open.push_back(fd);
  }
  ::closedir(dir);
  for (int fd : open) (void)::close(fd);
}

}  // namespace mft
