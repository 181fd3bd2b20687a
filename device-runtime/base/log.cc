#include "base/log.h"

#include <time.h>
#include <unistd.h>

#include <cstdio>

#include "base/clock.h"

namespace mft {

void log_line(const std::string& text) {
  const std::uint64_t now = wall_ms();
  const time_t seconds = static_cast<time_t>(now / 1000);
  struct tm utc;
  char stamp[40] = "";
  if (::gmtime_r(&seconds, &utc) != nullptr) {
    char day[24] = "";
    (void)::strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)std::snprintf(stamp, sizeof stamp, "%s.%03uZ", day, static_cast<unsigned>(now % 1000));
  }
  const std::string line = std::string(stamp) + " " + text + "\n";
  // One write, so that lines of several threads do not mix; a log that can't be written must not end a
  // training.
  const ssize_t ignored = ::write(STDERR_FILENO, line.data(), line.size());
  (void)ignored;
}

}  // namespace mft
