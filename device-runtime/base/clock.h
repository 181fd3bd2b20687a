// The three clocks. Wall time is for people and jumps; CLOCK_BOOTTIME counts the phone's sleep;
// CLOCK_MONOTONIC does not, so it measures work.
#pragma once

#include <time.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "base/file.h"

namespace mft {

inline std::uint64_t clock_ns(clockid_t clock) {
  struct timespec now;
  if (::clock_gettime(clock, &now) != 0) fail_io("read", "the clock " + std::to_string(clock), errno);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

inline std::uint64_t wall_ms() { return clock_ns(CLOCK_REALTIME) / 1'000'000u; }      // Unix epoch
inline std::uint64_t boottime_ms() { return clock_ns(CLOCK_BOOTTIME) / 1'000'000u; }  // with sleep
inline std::uint64_t monotonic_us() { return clock_ns(CLOCK_MONOTONIC) / 1'000u; }    // without sleep
inline std::uint64_t process_cpu_us() { return clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1'000u; }  // all threads

}  // namespace mft
