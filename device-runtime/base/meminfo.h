// How much memory the phone has, from /proc/meminfo (through the sysroot: a virtual phone has its own).
#pragma once

#include <cstdint>
#include <optional>

namespace mft {

struct MemInfo {  // bytes; absent: the kernel does not say
  std::optional<std::uint64_t> total;
  std::optional<std::uint64_t> available;  // MemAvailable: without pushing others out
};

MemInfo read_meminfo();

}  // namespace mft
