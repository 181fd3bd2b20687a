#include "bench/stdio.h"

#include <unistd.h>

#include <cerrno>

#include "base/file.h"

namespace mft::bench {

Surroundings standard_streams() {
  Surroundings surroundings;
  surroundings.print = [](std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail_io("write to", "standard output", errno);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  };
  surroundings.next_turn = [] {
    for (char byte = 0; byte != '\n';) {
      const ssize_t n = ::read(STDIN_FILENO, &byte, 1);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail_io("read from", "standard input", errno);
      if (n == 0) return false;
    }
    return true;
  };
  return surroundings;
}

}  // namespace mft::bench
