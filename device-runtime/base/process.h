// What the kernel says of this very process. Read from the machine's own /proc, never through the sysroot: a
// virtual phone's files tell of the phone, not of us.
#pragma once

#include <cstdint>
#include <string>

namespace mft {

// Physical memory in use now, and the most it has been (VmRSS and VmHWM). getrusage's maximum is not used
// where VmHWM can be had: Linux lets it survive exec, so it would tell of the process that started us.
std::uint64_t rss_bytes();
std::uint64_t peak_rss_bytes();

// CPUs that this process may run on now (Android's cpusets may leave few of them); at least 1.
unsigned usable_cpus();

std::string kernel_release();  // as `uname -r`
const char* abi_name();        // Android's: "arm64-v8a", "x86_64", ...

// Closes every descriptor above `last` that was inherited from whoever started us.
void close_descriptors_above(int last);

}  // namespace mft
